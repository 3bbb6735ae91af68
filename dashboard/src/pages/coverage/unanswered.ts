/** Pairs of which no probe is answered, told by what they have in common. Pure. */

import { grouped, type Pair } from './coverage';

/** Pairs from one place or to one place, or a single one. */
export interface Silence {
  source: string | null;
  target: string | null;
  pairs: number;
  /** Probes sent in the window, none of them answered. */
  sent: number;
}

const total = (pairs: readonly Pair[]): number => pairs.reduce((all, { sent }) => all + sent, 0);

/** True when a place has so many of its pairs among the silent ones that it is told as a whole. */
function wholeOf(silent: readonly Pair[], all: readonly Pair[]): boolean {
  return silent.length > 1 && silent.length === all.length;
}

/** The silent pairs: places that nobody reaches, places that reach nobody, and what is left one by one. */
export function silences(pairs: readonly Pair[]): Silence[] {
  const silent = pairs.filter(({ sent, received }) => sent > 0 && received === 0);
  const probed = pairs.filter(({ sent }) => sent > 0);
  const found: Silence[] = [];
  const told = new Set<Pair>();
  for (const end of ['target', 'source'] as const) {
    const all = grouped(probed, (pair) => pair[end]);
    for (const [id, members] of grouped(silent, (pair) => pair[end])) {
      if (!wholeOf(members, all.get(id) ?? [])) continue;
      found.push({ source: null, target: null, [end]: id, pairs: members.length, sent: total(members) });
      members.forEach((pair) => told.add(pair));
    }
  }
  const single = silent.filter((pair) => !told.has(pair));
  return [...found, ...single.map(({ source, target, sent }) => ({ source, target, pairs: 1, sent }))];
}
