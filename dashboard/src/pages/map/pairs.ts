/** The pairs that the map draws: both directions of each as one line. Pure. */

import type { Cell } from '../../api';
import type { Coordinates } from '../../lib/geo';
import { fibreFloorMs, greatCircleKm } from '../../lib/geo';
import { ageOf, isMeasured, STALE_MS } from '../../lib/matrix';
import type { Colour, Show } from './address';

/** One pair of places, both ways. */
export interface Pair {
  id: string;
  a: string;
  b: string;
  there: Cell | null;
  back: Cell | null;
  /** The slower direction; null when neither was answered. */
  rtt_ms: number | null;
  /** The greater of both directions, 0 to 1. */
  loss: number;
  /** Round-trip times that the two numbers are of, together. */
  count: number;
  low_count: boolean;
  stale: boolean;
  /** Null where one of the places is not known. */
  km: number | null;
  /** Times as long as light in fibre needs; null where that says nothing. */
  multiple: number | null;
}

/** Below this the way within a city counts for more than the distance. */
const LEAST_FLOOR_MS = 1;

function pairOf(a: string, b: string, cells: readonly Cell[], placeOf: (id: string) => Coordinates | null, now: number): Pair {
  const answered = cells.flatMap(({ rtt_ms }) => (rtt_ms === null ? [] : [rtt_ms]));
  const rtt_ms = answered.length === 0 ? null : Math.max(...answered);
  const [one, other] = [placeOf(a), placeOf(b)];
  const km = one === null || other === null ? null : greatCircleKm(one, other);
  const floor = km === null ? 0 : fibreFloorMs(km);
  return {
    id: `${a}/${b}`,
    a,
    b,
    there: cells.find(({ source }) => source === a) ?? null,
    back: cells.find(({ source }) => source === b) ?? null,
    rtt_ms,
    loss: Math.max(...cells.map(({ loss }) => loss)),
    count: cells.reduce((sum, { count }) => sum + count, 0),
    low_count: cells.some(({ low_count, rtt_ms }) => low_count && rtt_ms !== null),
    stale: cells.some((cell) => (ageOf(cell, now) ?? 0) > STALE_MS),
    km,
    multiple: rtt_ms === null || floor < LEAST_FLOOR_MS ? null : rtt_ms / floor,
  };
}

/** Puts both directions of each pair together. `now` is the time of the answer, Unix ms. */
export function pairsOf(cells: readonly Cell[], placeOf: (id: string) => Coordinates | null, now: number): Pair[] {
  const found = new Map<string, Cell[]>();
  for (const cell of cells) {
    if (!isMeasured(cell) || cell.source === cell.target) continue;
    const key = [cell.source, cell.target].sort().join('/');
    found.set(key, [...(found.get(key) ?? []), cell]);
  }
  return [...found.values()].flatMap((directions) => {
    const [first] = directions;
    if (first === undefined) return [];
    const [a, b] = first.source < first.target ? [first.source, first.target] : [first.target, first.source];
    return [pairOf(a, b, directions, placeOf, now)];
  });
}

/** The nearest few of each place. */
function nearest(pairs: readonly Pair[], few: number): Pair[] {
  const kept = new Set<Pair>();
  for (const id of new Set(pairs.flatMap(({ a, b }) => [a, b]))) {
    const own = pairs.filter(({ a, b, rtt_ms }) => (a === id || b === id) && rtt_ms !== null);
    own.sort((one, other) => (one.rtt_ms ?? 0) - (other.rtt_ms ?? 0));
    own.slice(0, few).forEach((pair) => kept.add(pair));
  }
  return pairs.filter((pair) => kept.has(pair));
}

/** Those that a filter lets through. A region's own pairs are all let through. */
export function filtered(pairs: readonly Pair[], show: Show, least: number, region: string): Pair[] {
  if (region !== '') return pairs.filter(({ a, b }) => a === region || b === region);
  if (show === 'detour') return pairs.filter(({ multiple }) => multiple !== null && multiple >= least);
  if (show === 'loss') return pairs.filter(({ loss }) => loss >= least / 100);
  return show === 'near' ? nearest(pairs, least) : [...pairs];
}

/** What stands out comes last, and so is drawn on top. */
export function ordered(pairs: readonly Pair[], colour: Colour): Pair[] {
  const weight = ({ rtt_ms, loss }: Pair): number => (colour === 'loss' ? loss : (rtt_ms ?? Infinity));
  return [...pairs].sort((one, other) => {
    const [a, b] = [weight(one), weight(other)];
    return a === b ? (one.id < other.id ? -1 : 1) : a - b;
  });
}
