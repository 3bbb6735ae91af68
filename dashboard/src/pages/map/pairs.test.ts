import { describe, expect, it } from 'vitest';
import type { Cell } from '../../api';
import { filtered, ordered, pairsOf } from './pairs';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const PLACES: Record<string, { latitude: number; longitude: number }> = {
  a: { latitude: 0, longitude: 0 },
  b: { latitude: 0, longitude: 90 },
  c: { latitude: 0, longitude: 0.1 },
};

function cell(source: string, target: string, rtt_ms: number | null, lost = 0, seconds = 1): Cell {
  const last = new Date(NOW - seconds * 1000).toISOString();
  return { source, target, rtt_ms, count: rtt_ms === null ? 0 : 100 - lost, sent: 100, lost, retransmitted: 0, loss: lost / 100, stddev_ms: null, jitter_ms: null, low_count: false, last };
}

const pairs = (cells: Cell[]): ReturnType<typeof pairsOf> => pairsOf(cells, (id) => PLACES[id] ?? null, NOW);

describe('a pair', () => {
  it('is both directions as one, and as bad as the worse of them', () => {
    const [pair, ...rest] = pairs([cell('b', 'a', 200.15, 3), cell('a', 'b', 150)]);
    expect(rest).toEqual([]);
    expect(pair).toMatchObject({ id: 'a/b', rtt_ms: 200.15, loss: 0.03, count: 197, stale: false });
    expect(pair?.there?.rtt_ms).toBe(150);
    expect(pair?.back?.rtt_ms).toBe(200.15);
    expect(pair?.multiple).toBeCloseTo(2, 2);
  });

  it('may have one direction, no answer, or places that nobody knows', () => {
    expect(pairs([cell('b', 'a', null, 100)])[0]).toMatchObject({ rtt_ms: null, loss: 1, there: null, multiple: null });
    expect(pairs([cell('laptop', 'a', 20)])[0]).toMatchObject({ id: 'a/laptop', km: null, multiple: null });
    expect(pairs([cell('a', 'c', 1)])[0]?.multiple).toBeNull();
    expect(pairs([cell('a', 'a', 1), { ...cell('a', 'b', null), sent: 0 }])).toEqual([]);
  });

  it('is stale when one direction is', () => {
    expect(pairs([cell('a', 'b', 150), cell('b', 'a', 150, 0, 61)])[0]?.stale).toBe(true);
    expect(pairs([{ ...cell('a', 'b', 150), last: null }])[0]?.stale).toBe(false);
  });
});

describe('what is drawn', () => {
  const all = pairs([cell('a', 'b', 150, 2), cell('a', 'c', 1), cell('b', 'c', 250), cell('a', 'd', null, 100)]);
  const ids = (list: typeof all): string[] => list.map(({ id }) => id);

  it('is what the filter lets through', () => {
    expect(ids(filtered(all, 'detour', 2, ''))).toEqual(['b/c']);
    expect(ids(filtered(all, 'loss', 2, ''))).toEqual(['a/b', 'a/d']);
    expect(ids(filtered(all, 'near', 1, ''))).toEqual(['a/b', 'a/c']);
    expect(ids(filtered(all, 'all', 0, ''))).toHaveLength(4);
  });

  it('are all pairs of a region that is looked at', () => {
    expect(ids(filtered(all, 'detour', 5, 'c'))).toEqual(['a/c', 'b/c']);
  });

  it('has the worst on top', () => {
    expect(ids(ordered(all, 'latency'))).toEqual(['a/c', 'a/b', 'b/c', 'a/d']);
    expect(ids(ordered(all, 'loss'))).toEqual(['a/c', 'b/c', 'a/b', 'a/d']);
  });
});
