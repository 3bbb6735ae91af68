/**
 * Puts like beside like: clusters by average linkage, and orders the leaves so that the ends that meet are near.
 * Deterministic; O(n³) at worst, which for 205 regions is some ten ms.
 */

import type { Order } from './arrange';

/** Clusters whose members are further apart on average, ms, are named apart. */
export const CUT_MS = 60;

interface Cluster {
  /** Indices in the order of the leaves. */
  leaves: number[];
  /** Mean distance of the two halves; 0 for a single leaf. */
  height: number;
  parts: readonly [Cluster, Cluster] | null;
}

/** Distances that are always there: the mean of both directions, and for an unknown pair more than any other. */
function symmetric(ids: readonly string[], distance: (source: string, target: string) => number | null): number[][] {
  const table = ids.map((one) =>
    ids.map((other) => {
      const both = [distance(one, other), distance(other, one)].filter((value) => value !== null);
      return both.length === 0 ? null : both.reduce((sum, value) => sum + value, 0) / both.length;
    }),
  );
  const far = 2 * table.flat().reduce<number>((most, value) => Math.max(most, value ?? 0), 1);
  return table.map((row, at) => row.map((value, to) => (at === to ? 0 : (value ?? far))));
}

/** Joins two clusters, each turned so that their nearest ends meet. */
function join(one: Cluster, other: Cluster, height: number, apart: (a: number, b: number) => number): Cluster {
  const turned = (cluster: Cluster): number[] => [...cluster.leaves].reverse();
  const choices = [one.leaves, turned(one)].flatMap((left) => [other.leaves, turned(other)].map((right) => ({ left, right })));
  const gap = ({ left, right }: { left: number[]; right: number[] }): number => apart(left.at(-1) ?? 0, right[0] ?? 0);
  const best = choices.reduce((least, choice) => (gap(choice) < gap(least) ? choice : least));
  return { leaves: [...best.left, ...best.right], height, parts: [one, other] };
}

/** The two clusters that are nearest to each other; of equals the first. */
function nearest(between: readonly (readonly number[])[], alive: readonly number[]): [number, number] {
  let best: [number, number] = [alive[0] ?? 0, alive[1] ?? 0];
  let least = Infinity;
  for (let at = 0; at < alive.length; at += 1) {
    const row = between[alive[at] ?? 0] ?? [];
    for (let to = at + 1; to < alive.length; to += 1) {
      const value = row[alive[to] ?? 0] ?? Infinity;
      if (value < least) {
        least = value;
        best = [alive[at] ?? 0, alive[to] ?? 0];
      }
    }
  }
  return best;
}

function tree(distances: number[][]): Cluster | null {
  const apart = (a: number, b: number): number => distances[a]?.[b] ?? 0;
  const clusters: Cluster[] = distances.map((_, index) => ({ leaves: [index], height: 0, parts: null }));
  const between = distances.map((row) => [...row]);
  let alive = clusters.map((_, index) => index);
  while (alive.length > 1) {
    const [keep, drop] = nearest(between, alive);
    const [one, other] = [clusters[keep], clusters[drop]];
    const row = between[keep];
    if (one === undefined || other === undefined || row === undefined) break;
    const sizes = [one.leaves.length, other.leaves.length] as const;
    clusters[keep] = join(one, other, row[drop] ?? 0, apart);
    alive = alive.filter((index) => index !== drop);
    for (const index of alive) {
      const mean = (sizes[0] * (row[index] ?? 0) + sizes[1] * (between[drop]?.[index] ?? 0)) / (sizes[0] + sizes[1]);
      row[index] = mean;
      const back = between[index];
      if (back !== undefined) back[keep] = mean;
    }
  }
  return clusters[alive[0] ?? 0] ?? null;
}

/** The clusters under the cut, in the order of their leaves. */
function cut(cluster: Cluster): Cluster[] {
  if (cluster.height <= CUT_MS || cluster.parts === null) return [cluster];
  const parts = cluster.parts.flatMap((part) => cut(part));
  const places = new Map(cluster.leaves.map((leaf, place) => [leaf, place]));
  const place = (part: Cluster): number => Math.min(...part.leaves.map((leaf) => places.get(leaf) ?? 0));
  return parts.sort((one, other) => place(one) - place(other)).map((part) => ({ ...part, leaves: [...part.leaves].sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0)) }));
}

/** Orders ids by their distances in ms; null for a direction that has none. */
export function clusterOrder(ids: readonly string[], distance: (source: string, target: string) => number | null): Order {
  const sorted = [...ids].sort();
  const root = tree(symmetric(sorted, distance));
  if (root === null) return [];
  return cut(root).map(({ leaves }, index) => ({
    code: `${index + 1}`,
    name: `Cluster ${index + 1}`,
    ids: leaves.map((leaf) => sorted[leaf] ?? ''),
  }));
}
