import { describe, expect, it } from 'vitest';
import { clusterOrder } from './cluster';

/** Regions on a line: their distance is the difference of their places. */
function line(places: Record<string, number>) {
  return (one: string, other: string): number | null => Math.abs((places[one] ?? 0) - (places[other] ?? 0));
}

describe('clusters', () => {
  const places = { d: 0, a: 10, f: 20, b: 200, e: 210, c: 1000 };

  it('hold what is near, in an order whose neighbours are near', () => {
    const order = clusterOrder(Object.keys(places), line(places));
    expect(order.map(({ ids }) => [...ids].sort())).toEqual(expect.arrayContaining([['a', 'd', 'f'], ['b', 'e'], ['c']]));
    const flat = order.flatMap(({ ids }) => ids).join('');
    expect(['dafbec', 'cebfad']).toContain(flat);
    expect(order.map(({ name }) => name)).toEqual(['Cluster 1', 'Cluster 2', 'Cluster 3']);
  });

  it('do not depend on the order that they are given in', () => {
    const ids = Object.keys(places);
    expect(clusterOrder([...ids].reverse(), line(places))).toEqual(clusterOrder(ids, line(places)));
  });

  it('take the direction that is known, and put what is unknown apart', () => {
    const known: Record<string, number> = { 'a b': 5, 'b c': 100, 'a c': 110 };
    const order = clusterOrder(['a', 'b', 'c', 'x'], (one, other) => known[`${one} ${other}`] ?? null);
    expect(order.find(({ ids }) => ids.includes('a'))?.ids).toContain('b');
    expect(order.find(({ ids }) => ids.includes('x'))?.ids).toEqual(['x']);
  });

  it('exist for none and for one', () => {
    expect(clusterOrder([], () => null)).toEqual([]);
    expect(clusterOrder(['a'], () => null)[0]?.ids).toEqual(['a']);
  });

  it('of 205 are quick, and hold each once', () => {
    const ids = Array.from({ length: 205 }, (_, index) => `r${index}`);
    const started = performance.now();
    const order = clusterOrder(ids, (one, other) => (Number(one.slice(1)) * 7919 + Number(other.slice(1)) * 104729) % 300);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(new Set(order.flatMap((group) => group.ids)).size).toBe(205);
  });
});
