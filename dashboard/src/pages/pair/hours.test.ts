import { describe, expect, it } from 'vitest';
import type { SeriesPoint } from '../../api';
import { CLASS_EDGES_MS } from '../../lib/colour';
import { bestOf, EXCESS_EDGES_MS, excessClass, pooledMedian, weekOf } from './hours';

/** An hour whose samples lie evenly between two values. 2026-01-05 is a Monday. */
function hour(time: string, from: number, to: number, count = 100): SeriesPoint {
  const at = (share: number): number => from + (to - from) * share;
  return {
    time, count, sent: count + 1, lost: 1, retransmitted: 0, family: 4, low_count: true, percentiles: [],
    min_ms: from, p10_ms: at(0.1), p25_ms: at(0.25), p50_ms: at(0.5), p75_ms: at(0.75), p90_ms: at(0.9), p99_ms: at(0.99), max_ms: to,
    mean_ms: at(0.5), stddev_ms: 0, jitter_ms: 0,
  };
}

describe('the median of several hours', () => {
  it('is that of one', () => expect(pooledMedian([hour('', 10, 20)])).toBeCloseTo(15));

  it('is of their samples and not of their medians', () => {
    // Nine samples of ten are about 10 ms, so the median is there, however many hours the others fill.
    expect(pooledMedian([hour('', 9, 11, 900), hour('', 99, 101, 50), hour('', 99, 101, 50)])).toBeLessThan(11);
  });

  it('lies where half of the samples of overlapping hours are below', () => {
    expect(pooledMedian([hour('', 0, 10), hour('', 5, 15)])).toBeCloseTo(7.5);
  });

  it('holds for hours in which all samples are the same', () => expect(pooledMedian([hour('', 5, 5), hour('', 5, 5)])).toBeCloseTo(5));

  it('is none where none was answered', () => expect(pooledMedian([hour('', 1, 2, 0)])).toBeNull());
});

describe('the week', () => {
  it('pools the same hour of the same weekday', () => {
    const cells = weekOf([hour('2026-01-05T00:00:00Z', 1, 1), hour('2026-01-12T00:00:00Z', 1, 1), hour('2026-01-11T23:00:00Z', 7, 7)], 'UTC');
    expect(cells).toHaveLength(168);
    expect(cells[0]).toMatchObject({ day: 0, hour: 0, hours: 2, count: 200, sent: 202, lost: 2 });
    expect(cells[167]).toMatchObject({ day: 6, hour: 23, hours: 1 });
    expect(cells[1]).toMatchObject({ p50: null, hours: 0 });
    expect(bestOf(cells)).toBeCloseTo(1);
  });

  it('follows the clock of a zone', () => {
    const cells = weekOf([hour('2026-01-05T00:00:00Z', 1, 1)], 'America/New_York');
    expect(cells.find(({ hours }) => hours > 0)).toMatchObject({ day: 6, hour: 19 });
  });

  it('has no best hour without samples', () => expect(bestOf(weekOf([], 'UTC'))).toBeNull());
});

it('has as many classes of excess as there are paints, in order', () => {
  expect(EXCESS_EDGES_MS).toHaveLength(CLASS_EDGES_MS.length);
  expect(EXCESS_EDGES_MS.map(excessClass)).toEqual(EXCESS_EDGES_MS.map((_, index) => index));
  expect(excessClass(1e6)).toBe(EXCESS_EDGES_MS.length - 1);
});
