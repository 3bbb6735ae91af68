import { describe, expect, it } from 'vitest';
import type { Cell } from '../../api';
import { DEFAULT_REGION } from './address';
import { numberOf, rank, rankQuery } from './ranking';

function cell(source: string, target: string, rtt_ms: number | null, lost = 0): Cell {
  const count = rtt_ms === null ? 0 : 100 - lost;
  return { source, target, rtt_ms, count, sent: 100, lost, retransmitted: 0, loss: lost / 100, stddev_ms: null, jitter_ms: null, low_count: count < 20, last: null };
}

const target = ({ target }: Cell): string => target;
const nowhere = (): null => null;

describe('a ranking of the past', () => {
  const a = [cell('a', 'x', 10), cell('a', 'y', 30, 5), cell('a', 'b', 5)];
  const b = [cell('b', 'x', 80), cell('b', 'y', 40), cell('b', 'z', 1), cell('b', 'w', null, 100)];

  it('orders by the worst of the members, or by their mean', () => {
    const ids = (by: 'max' | 'mean'): string[] => rank([a, b], ['a', 'b'], target, by, nowhere).ranking.map(({ id }) => id);
    expect(ids('max')).toEqual(['y', 'x']);
    expect(ids('mean')).toEqual(['y', 'x']);
    const nearer = [cell('b', 'x', 55), cell('b', 'y', 40)];
    expect(rank([a, nearer], ['a', 'b'], target, 'mean', nowhere).ranking.map(({ id }) => id)).toEqual(['x', 'y']);
    expect(rank([a, nearer], ['a', 'b'], target, 'max', nowhere).ranking.map(({ id }) => id)).toEqual(['y', 'x']);
  });

  it('has the numbers of every member, the least count and the greatest loss', () => {
    const [first] = rank([a, b], ['a', 'b'], target, 'max', () => 'aws').ranking;
    expect(first).toMatchObject({ rank: 1, id: 'y', provider: 'aws', max_ms: 40, mean_ms: 35, count: 95, loss: 0.05, low_count: false });
    expect(first?.members.map(({ id, rtt_ms }) => [id, rtt_ms])).toEqual([['a', 30], ['b', 40]]);
    if (first !== undefined) expect([numberOf(first, 'max'), numberOf(first, 'mean')]).toEqual([40, 35]);
  });

  it('does not rank what lacks a number for some member', () => {
    expect(rank([a, b], ['a', 'b'], target, 'max', nowhere).incomplete).toEqual(['b', 'w', 'z']);
    expect(rank([], [], target, 'max', nowhere)).toEqual({ ranking: [], incomplete: [] });
  });
});

it('asks for what the members see, or for what sees them', () => {
  const state = { ...DEFAULT_REGION, region: 'a', others: ['b'] };
  expect(rankQuery(state)).toEqual({ from: 'a,b', by: 'max', percentile: 'p50', window: '5m' });
  expect(rankQuery({ ...state, direction: 'to', provider: 'aws' })).toEqual({ to: 'a,b', by: 'max', percentile: 'p50', window: '5m', provider: 'aws' });
});
