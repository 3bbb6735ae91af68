import { describe, expect, it } from 'vitest';
import type { SeriesPoint } from '../api';
import { axisBounds, before, columnsOf, lossOf, lossTop, middles, MOST_WINDOWS, RANGES, seenLoss, shapeOf, spanOf, stepOf } from './series';

const START = Date.UTC(2026, 0, 1);

function point(time: number, part: Partial<SeriesPoint> = {}): SeriesPoint {
  const numbers = { min_ms: 1, p10_ms: 2, p25_ms: 3, p50_ms: 4, p75_ms: 5, p90_ms: 6, p99_ms: 7, max_ms: 8, mean_ms: 4, stddev_ms: 1, jitter_ms: 6 };
  return { time: new Date(time).toISOString(), sent: 60, lost: 0, retransmitted: 0, family: 4, percentiles: [], count: 60, low_count: true, ...numbers, ...part };
}

describe('span', () => {
  it.each(RANGES)('of %s begins on a whole window and covers the range', (range) => {
    const now = START + 12_345_678;
    const { start, end, step } = spanOf(range, now);
    expect(start % (step * 1000)).toBe(0);
    expect(end).toBe(now);
    expect(end - start).toBeGreaterThanOrEqual(shapeOf(range).seconds * 1000);
    expect(end - start).toBeLessThan((shapeOf(range).seconds + step) * 1000);
    expect(shapeOf(range).seconds / step).toBeLessThanOrEqual(MOST_WINDOWS);
  });

  it.each(RANGES)('before that of %s ends where it starts, on the same grid', (range) => {
    const now = START + 12_345_678;
    const span = spanOf(range, now);
    const earlier = before(span);
    expect(earlier.shift % (span.step * 1000)).toBe(0);
    expect(earlier.end).toBeLessThanOrEqual(span.start);
    expect(earlier.end).toBeGreaterThan(span.start - span.step * 1000);
    expect(earlier.start + earlier.shift).toBe(span.start);
  });

  it('has the shortest windows that a chart can show', () => {
    expect(stepOf(3_600)).toBe(60);
    expect(stepOf(MOST_WINDOWS * 60)).toBe(60);
    expect(stepOf(MOST_WINDOWS * 60 + 1)).toBe(120);
    expect(stepOf(7 * 86_400)).toBe(3_600);
  });
});

describe('columns', () => {
  it('have a null for every window without data', () => {
    const columns = columnsOf([point(START), point(START + 120_000)], START, START + 180_000, 60);
    expect(columns.times).toEqual([0, 60, 120].map((seconds) => START / 1000 + seconds));
    expect(columns.p50).toEqual([4, null, 4]);
    expect(columns.loss).toEqual([0, null, 0]);
    expect(columns.points.map((entry) => entry !== null)).toEqual([true, false, true]);
  });

  it('show an outage as loss and not as latency', () => {
    const dead = point(START, { lost: 60, count: 0, p50_ms: null, p99_ms: null });
    const columns = columnsOf([dead], START, START + 60_000, 60);
    expect(columns.p50).toEqual([null]);
    expect(columns.loss).toEqual([100]);
  });

  it('include the window that is not yet over', () => {
    expect(columnsOf([point(START)], START, START + 1, 60).p50).toEqual([4]);
  });
});

it('has no loss where nothing was sent', () => expect(lossOf(point(START, { sent: 0, count: 0 }))).toBe(0));

it('draws a window in the middle of what there is of it', () => {
  const [start, end] = [START, START + 5_400_000];
  expect(middles({ times: [START / 1000, START / 1000 + 3_600] }, { start, end, step: 3_600 })).toEqual([START / 1000 + 1_800, START / 1000 + 4_500]);
});

describe('loss', () => {
  it('is seen however little it is, and is not made more than it is otherwise', () => {
    const [none, little, much] = seenLoss([0, 0.01, 50, null]);
    expect(none).toBe(0);
    expect(little).toBeGreaterThan(1);
    expect(much).toBe(50);
    expect(seenLoss([null])).toEqual([null]);
  });

  it('has an axis that holds it', () => {
    expect(lossTop(0)).toBe(5);
    expect(lossTop(40)).toBe(44);
    expect(lossTop(100)).toBe(100);
  });
});

describe('axis', () => {
  it('holds the data with a margin', () => {
    const [low, high] = axisBounds(60, 80);
    expect(low).toBeLessThan(60);
    expect(high).toBeGreaterThan(80);
  });

  it('does not magnify the error of the instrument', () => {
    const [low, high] = axisBounds(68.4, 68.41);
    expect(high - low).toBeGreaterThanOrEqual(0.5);
  });

  it('never goes below zero', () => expect(axisBounds(0.01, 0.02)[0]).toBe(0));
});
