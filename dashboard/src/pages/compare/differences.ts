/** What differs: asking for it, its order, and how it is said. */

import { get, rfc3339, timeOf, type Query, type Schemas } from '../../api';
import * as format from '../../lib/format';
import { compareHref, type CompareState, type Side } from './address';

export type Difference = Schemas['Difference'];
export type DiffQuery = Query<'/api/v1/diff'>;

/** The service lists no more at once. */
const LIMIT = 1000;

/** What the page shows. */
export interface Compared {
  /** The part of the address that selects the numbers. */
  key: string;
  pairs: readonly Difference[];
  /** Unix ms. */
  asOf: number;
}

/** What selects the numbers, and not only how they are shown. */
export function keyOf(state: CompareState): string {
  return compareHref({ ...state, pins: [], certain: false, all: false });
}

/** The query of the service. */
export function diffQuery({ a, b, source, target }: CompareState): DiffQuery {
  const part = (side: Side): { at?: string; provider?: string } => ({
    ...(side.at === null ? {} : { at: rfc3339(side.at) }),
    ...(side.provider === '' ? {} : { provider: side.provider }),
  });
  const named = (name: 'a' | 'b', side: Side): DiffQuery =>
    Object.fromEntries(
      Object.entries({ window: side.window, percentile: side.percentile, protocol: side.protocol, ...part(side) }).map(([key, value]) => [`${name}_${key}`, value]),
    );
  return { ...named('a', a), ...named('b', b), ...(source === '' ? {} : { source }), ...(target === '' ? {} : { target }), limit: LIMIT };
}

/** The same difference seen from the other side. */
export function turned(pair: Difference): Difference {
  const { a_ms, a_count, a_target, a_low_count, b_ms, b_count, b_target, b_low_count } = pair;
  return {
    ...pair,
    a_ms: b_ms,
    b_ms: a_ms,
    a_count: b_count,
    b_count: a_count,
    a_target: b_target,
    b_target: a_target,
    a_low_count: b_low_count,
    b_low_count: a_low_count,
    delta_ms: -pair.delta_ms,
  };
}

/** The state with its sides swapped. */
export function swapped(state: CompareState): CompareState {
  return { ...state, a: state.b, b: state.a };
}

/** Identity of a difference. */
export function idOf({ source, a_target, b_target }: Difference): string {
  return a_target === b_target ? `${source}/${a_target}` : `${source}/${a_target}~${b_target}`;
}

/** Puts two lists together that may have pairs in common. */
export function united(one: readonly Difference[], other: readonly Difference[]): Difference[] {
  return [...new Map([...one, ...other].map((pair) => [idOf(pair), pair])).values()];
}

/**
 * Asks for all pairs. The service begins with the greatest growth and ends its list somewhere; the other end of a list that
 * may be longer is had by asking with the sides swapped.
 */
export async function ask(state: CompareState, signal: AbortSignal): Promise<Compared> {
  const diff = (of: CompareState): Promise<Schemas['Diff']> => get('/api/v1/diff', diffQuery(of), signal);
  const narrow = state.source !== '' || state.target !== '';
  const [one, other] = await Promise.all([diff(state), narrow ? null : diff(swapped(state))]);
  return { key: keyOf(state), pairs: united(one.pairs, (other?.pairs ?? []).map(turned)), asOf: timeOf(one.as_of) };
}

const greatest = (one: Difference, other: Difference): number =>
  Math.abs(other.delta_ms) - Math.abs(one.delta_ms) || (idOf(one) < idOf(other) ? -1 : 1);

/** The rows of the table: what is pinned, in the order of the pins, then the greatest differences either way. */
export function rowsOf(pairs: readonly Difference[], pins: readonly string[], certain: boolean): { pinned: Difference[]; rest: Difference[] } {
  const known = new Map(pairs.map((pair) => [idOf(pair), pair]));
  const pinned = pins.map((pin) => known.get(pin)).filter((pair) => pair !== undefined);
  const rest = pairs.filter((pair) => !pins.includes(idOf(pair)) && (!certain || pair.exceeds_noise === true));
  return { pinned, rest: rest.sort(greatest) };
}

/** Whether a difference is one, in words. */
export function verdict({ exceeds_noise, a_low_count, b_low_count }: Difference): string {
  if (exceeds_noise === null) return a_low_count || b_low_count ? 'too few samples' : 'noise not known';
  return exceeds_noise ? 'beyond noise' : 'within noise';
}

/** A difference with its sign. */
export function signed(ms: number): string {
  const text = format.bareMs(Math.abs(ms));
  return Number(text) === 0 ? '0' : `${ms < 0 ? '−' : '+'}${text}`;
}

/** A bar from zero to a difference and the reach of its noise, in percent of a track whose middle is zero. */
export interface Bar {
  left: number;
  width: number;
  noise: { left: number; width: number } | null;
}

/** `most` is the difference at the track's ends; what goes beyond ends there. */
export function barOf({ delta_ms, noise_ms }: Pick<Difference, 'delta_ms' | 'noise_ms'>, most: number): Bar {
  const place = (ms: number): number => 50 + 50 * Math.max(-1, Math.min(1, ms / most));
  const [zero, end] = [50, place(delta_ms)];
  const bar = { left: Math.min(zero, end), width: Math.abs(end - zero) };
  if (noise_ms === null) return { ...bar, noise: null };
  const [from, to] = [place(delta_ms - noise_ms), place(delta_ms + noise_ms)];
  return { ...bar, noise: { left: from, width: to - from } };
}
