/** Which regions are closest, now as the service ranks them, and in the past by the same rule. */

import { get, getMatrix, rfc3339, timeOf, type Cell, type Query, type Schemas } from '../../api';
import { WINDOW_MS } from '../../lib/words';
import type { Order, RegionState } from './address';

export type Ranked = Schemas['Ranked'];

/** What the page shows. */
export interface Answered {
  /** What was asked for; the page may ask for something else by now. */
  state: RegionState;
  ranking: readonly Ranked[];
  /** Those without a number for every member. */
  incomplete: readonly string[];
  /** Unix ms. */
  asOf: number;
}

/** Everything that the ranking is about: the region and the others. */
export function membersOf({ region, others }: RegionState): string[] {
  return [region, ...others];
}

/** The query of the service's ranking. */
export function rankQuery(state: RegionState): Query<'/api/v1/rank'> {
  const { direction, by, provider, percentile, window } = state;
  const members = membersOf(state).join(',');
  return { ...(direction === 'from' ? { from: members } : { to: members }), by, percentile, window, ...(provider === '' ? {} : { provider }) };
}

/** A place that is ranked, with the cells of its members in their order. */
interface Candidate {
  id: string;
  cells: Cell[];
}

function rankedOf({ id, cells }: Candidate, members: readonly string[], provider: string | null): Omit<Ranked, 'rank'> {
  const numbers = cells.map(({ rtt_ms }) => rtt_ms ?? Infinity);
  return {
    id,
    provider,
    max_ms: Math.max(...numbers),
    mean_ms: numbers.reduce((sum, number) => sum + number, 0) / numbers.length,
    count: Math.min(...cells.map(({ count }) => count)),
    loss: Math.max(...cells.map(({ loss }) => loss)),
    low_count: cells.some(({ low_count }) => low_count),
    members: cells.map(({ rtt_ms, count, sent, lost, low_count }, index) => ({
      id: members[index] ?? '',
      rtt_ms: rtt_ms ?? Infinity,
      count,
      sent,
      lost,
      low_count,
    })),
  };
}

/** Ranks as the service does: `perMember` has the cells of each member, `endOf` tells which end of a cell is ranked. */
export function rank(
  perMember: readonly (readonly Cell[])[],
  members: readonly string[],
  endOf: (cell: Cell) => string,
  by: Order,
  providerOf: (id: string) => string | null,
): { ranking: Ranked[]; incomplete: string[] } {
  const ids = [...new Set(perMember.flat().map(endOf))];
  const candidates = ids.map((id) => ({ id, cells: perMember.map((cells) => cells.find((cell) => endOf(cell) === id)) }));
  const complete = candidates.filter((one): one is Candidate => one.cells.every((cell) => typeof cell?.rtt_ms === 'number'));
  const numberOf = ({ max_ms, mean_ms }: Omit<Ranked, 'rank'>): number => (by === 'max' ? max_ms : mean_ms);
  const ranking = complete
    .map((candidate) => rankedOf(candidate, members, providerOf(candidate.id)))
    .sort((one, other) => numberOf(one) - numberOf(other) || (one.id < other.id ? -1 : 1))
    .map((ranked, index) => ({ ...ranked, rank: index + 1 }));
  const known = new Set(complete.map(({ id }) => id));
  return { ranking, incomplete: ids.filter((id) => !known.has(id)).sort() };
}

/** The ranking over the window that ended at a moment, made of ranges of the matrix. */
async function past(state: RegionState, at: number, providerOf: (id: string) => string | null, signal: AbortSignal): Promise<Answered> {
  const { direction, percentile, provider } = state;
  const members = membersOf(state);
  const range = { percentile, start: rfc3339(at - WINDOW_MS[state.window]), end: rfc3339(at) };
  const answers = await Promise.all(
    members.map((id) => getMatrix({ ...range, ...(direction === 'from' ? { source: id } : { target: id }) }, signal)),
  );
  const endOf = (cell: Cell): string => (direction === 'from' ? cell.target : cell.source);
  const cells = answers.map(({ cells }) => cells.filter((cell) => provider === '' || providerOf(endOf(cell)) === provider));
  return { state, ...rank(cells, members, endOf, state.by, providerOf), asOf: at };
}

/** Asks for what a state of the page shows. */
export async function ask(state: RegionState, providerOf: (id: string) => string | null, signal: AbortSignal): Promise<Answered> {
  if (state.at !== null) return past(state, state.at, providerOf, signal);
  const { ranking, incomplete, as_of } = await get('/api/v1/rank', rankQuery(state), signal);
  return { state, ranking, incomplete, asOf: timeOf(as_of) };
}

/** The number that orders. */
export function numberOf({ max_ms, mean_ms }: Ranked, by: Order): number {
  return by === 'max' ? max_ms : mean_ms;
}
