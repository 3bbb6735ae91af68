import { describe, expect, it } from 'vitest';
import { DEFAULT_COMPARE } from './address';
import { barOf, diffQuery, idOf, keyOf, rowsOf, signed, swapped, turned, united, verdict, type Difference } from './differences';

function pair(source: string, delta_ms: number, exceeds_noise: boolean | null = true): Difference {
  return {
    source,
    a_target: 't',
    b_target: 't',
    a_ms: 100,
    b_ms: 100 + delta_ms,
    delta_ms,
    a_count: 1000,
    b_count: 100,
    a_low_count: false,
    b_low_count: false,
    noise_ms: exceeds_noise === null ? null : 1,
    exceeds_noise,
  };
}

describe('asking', () => {
  it('names what each side is', () => {
    const state = { ...DEFAULT_COMPARE, b: { ...DEFAULT_COMPARE.b, at: Date.parse('2026-11-22T12:00:00Z'), provider: 'aws' }, source: 'x' };
    expect(diffQuery(state)).toEqual({
      a_window: '1d',
      a_percentile: 'p50',
      a_protocol: 'tcp',
      b_window: '5m',
      b_percentile: 'p50',
      b_protocol: 'tcp',
      b_at: '2026-11-22T12:00:00.000Z',
      b_provider: 'aws',
      source: 'x',
      limit: 1000,
    });
  });

  it('is done anew for other numbers only', () => {
    expect(keyOf({ ...DEFAULT_COMPARE, pins: ['a/b'], certain: true, all: true })).toBe(keyOf(DEFAULT_COMPARE));
    expect(keyOf(swapped(DEFAULT_COMPARE))).not.toBe(keyOf(DEFAULT_COMPARE));
  });

  it('has both ends of a list that was cut', () => {
    const back = turned({ ...pair('z', 7), b_target: 'u' });
    expect(back).toMatchObject({ a_ms: 107, b_ms: 100, delta_ms: -7, a_count: 100, b_count: 1000, a_target: 'u', b_target: 't' });
    expect(turned(back)).toEqual({ ...pair('z', 7), b_target: 'u' });
    expect(united([pair('a', 5), pair('b', 0)], [pair('b', 0), pair('c', -5)]).map(idOf)).toEqual(['a/t', 'b/t', 'c/t']);
  });
});

describe('the rows', () => {
  const pairs = [pair('a', 5), pair('b', -9), pair('c', 0.5, false), pair('d', 20, null)];
  const ids = (list: Difference[]): string[] => list.map(({ source }) => source);

  it('begin with the greatest difference either way', () => {
    expect(ids(rowsOf(pairs, [], false).rest)).toEqual(['d', 'b', 'a', 'c']);
  });

  it('leave out what may be chance when that is wanted, but nothing that is pinned', () => {
    const { pinned, rest } = rowsOf(pairs, ['c/t', 'gone/t', 'a/t'], true);
    expect(ids(pinned)).toEqual(['c', 'a']);
    expect(ids(rest)).toEqual(['b']);
  });

  it('say whether they differ', () => {
    expect(pairs.map(verdict)).toEqual(['beyond noise', 'beyond noise', 'within noise', 'noise not known']);
    expect(verdict({ ...pair('a', 5, null), b_low_count: true })).toBe('too few samples');
    expect([12.34, -0.5, 0, 0.001].map(signed)).toEqual(['+12.3', '−0.50', '0', '0']);
  });
});

describe('a bar', () => {
  it('goes from zero to its side, as long as it is great', () => {
    expect(barOf({ delta_ms: 5, noise_ms: null }, 10)).toEqual({ left: 50, width: 25, noise: null });
    expect(barOf({ delta_ms: -10, noise_ms: null }, 10)).toEqual({ left: 0, width: 50, noise: null });
  });

  it('shows how far chance reaches, within the track', () => {
    expect(barOf({ delta_ms: 5, noise_ms: 2 }, 10).noise).toEqual({ left: 65, width: 20 });
    expect(barOf({ delta_ms: 5, noise_ms: 100 }, 10).noise).toEqual({ left: 0, width: 100 });
  });
});
