import { describe, expect, it } from 'vitest';
import { DEFAULT_MAP, LEASTS, SHOWS } from './address';
import type { Pair } from './pairs';
import { drawn, isSilent, placeSays, SHOW_OPTIONS, thresholdOptions } from './sentences';

function pair(a: string, b: string, rtt_ms: number | null, loss = 0): Pair {
  return { id: `${a}/${b}`, a, b, there: null, back: null, rtt_ms, loss, count: 1, low_count: false, stale: false, km: null, multiple: null };
}

it('every filter and threshold has a name', () => {
  expect(SHOW_OPTIONS.map(({ value }) => value)).toEqual([...SHOWS]);
  for (const show of SHOWS) {
    const options = thresholdOptions(show);
    expect(options.map(({ value }) => value)).toEqual([...LEASTS[show]].sort((one, other) => one - other));
    expect(new Set(options.map(({ label }) => label)).size).toBe(options.length);
  }
});

it('says what is drawn', () => {
  expect(drawn(95, 741, DEFAULT_MAP)).toBe('95 of 741 pairs are drawn: 1.5 × light in fibre, or more');
  expect(drawn(38, 741, { ...DEFAULT_MAP, region: 'us-east-1' })).toBe('38 of 741 pairs are drawn: those of us-east-1');
});

describe('a place', () => {
  const pairs = [pair('a', 'b', 10), pair('a', 'c', 200, 0.02), pair('a', 'd', null, 1), pair('b', 'd', null, 1)];

  it('is told by its pairs', () => {
    expect(placeSays(pairs, 'a')).toBe('10.0 to 200 ms over 2 pairs, 2 of them losing 1 % or more');
    expect(placeSays(pairs, 'd')).toBe('no answer');
    expect(placeSays(pairs, 'e')).toBe('not measured');
  });

  it('is silent when nothing answers, and not when nothing asks', () => {
    expect(['a', 'd', 'e'].map((id) => isSilent(pairs, id))).toEqual([false, true, false]);
  });
});
