import { describe, expect, it } from 'vitest';
import { ASKED, carried, depthOf, firstLow, pathOf, pointsOf, roundTicks, shareOf } from './spread';

/** An answer whose samples are all slower the rarer they are. */
function answer(count: number) {
  const percentiles = ASKED.map((percentile) => ({
    percentile, rtt_ms: 100 * shareOf(percentile), low_count: count < 10 / (1 - shareOf(percentile)), rank_error: 0,
  }));
  return { count, percentiles };
}

it('asks for percentiles in order, once each', () => {
  const shares = ASKED.map(shareOf);
  expect(shares).toEqual([...new Set(shares)].sort((one, other) => one - other));
  expect(ASKED.length).toBeLessThanOrEqual(200);
});

it('gives every tenth of the tail the same room', () => {
  expect(depthOf('p90')).toBeCloseTo(1);
  expect(depthOf('p99') - depthOf('p90')).toBeCloseTo(depthOf('p99.9') - depthOf('p99'));
});

describe('points', () => {
  it('end where a percentile would be of less than one sample', () => {
    expect(pointsOf(answer(1_000)).at(-1)?.percentile).toBe('p99.9');
    expect(pointsOf(answer(100_000)).at(-1)?.percentile).toBe('p99.99');
    expect(pointsOf(answer(0))).toEqual([]);
  });

  it('leave out what was not answered', () => {
    const { percentiles } = answer(100);
    expect(pointsOf({ count: 100, percentiles: percentiles.map((entry) => ({ ...entry, rtt_ms: null })) })).toEqual([]);
  });

  it('tell from where on the count does not carry them', () => {
    const points = pointsOf(answer(1_000));
    expect(firstLow(points)).toBe('p99.2');
    const { solid, faint } = carried(points);
    expect(solid.at(-1)).toEqual(faint[0]);
    expect(solid.at(-1)?.percentile).toBe('p99');
    expect(carried(pointsOf(answer(5))).solid).toEqual([]);
  });
});

it('draws a line through the points', () => {
  const points = pointsOf(answer(1_000)).slice(0, 2);
  expect(pathOf(points, (depth) => depth * 0, (ms) => ms)).toBe('M0.0 5.0L0.0 10.0');
});

it('has round ticks between the bounds', () => {
  expect(roundTicks(189.3, 221, 5)).toEqual([190, 200, 210, 220]);
  expect(roundTicks(0.31, 0.42, 4)).toEqual([0.35, 0.4]);
});
