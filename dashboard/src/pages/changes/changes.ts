/** Route changes as data: which are shown, in what groups, and how they are put into words. Pure. */

import type { Schemas } from '../../api';
import * as format from '../../lib/format';
import type { ChangesState, Reached } from './address';

export type RouteChange = Schemas['RouteChange'];

/** The most that the service gives in one answer. */
export const LIMIT = 1_000;

/** Identity of a change, as SEMANTICS.md defines it. */
export function idOf({ source, target, protocol, family, minute }: RouteChange): string {
  return [source, target, protocol, family, minute].join(' ');
}

/** Takes in what the stream has told, the newest first, each change once. */
export function withNews(known: readonly RouteChange[], news: readonly RouteChange[]): RouteChange[] {
  const all = new Map([...known, ...news].map((change) => [idOf(change), change]));
  return [...all.values()].sort(
    (one, other) =>
      Date.parse(other.minute) - Date.parse(one.minute) ||
      Date.parse(other.found_at) - Date.parse(one.found_at) ||
      (idOf(one) < idOf(other) ? -1 : 1),
  );
}

/** Whether the target's address is another one since the step; null where that is not known. */
export function reachedOf({ before_address, after_address }: RouteChange): Exclude<Reached, 'all'> | null {
  if (!before_address || !after_address) return null;
  return before_address === after_address ? 'same' : 'changed';
}

/** Those that the filters let through. */
export function selected(changes: readonly RouteChange[], state: ChangesState): RouteChange[] {
  const { source, target, least, direction, reached } = state;
  return changes.filter(
    (change) =>
      (source === '' || change.source === source) &&
      (target === '' || change.target === target) &&
      Math.abs(change.delta_ms) >= Number(least) &&
      (direction === 'all' || (direction === 'slower') === change.delta_ms > 0) &&
      (reached === 'all' || reached === reachedOf(change)),
  );
}

export interface Day {
  date: string;
  changes: RouteChange[];
}

/** The changes of each day of a zone; their order stays. */
export function byDay(changes: readonly RouteChange[], timeZone: string): Day[] {
  const days = new Map<string, RouteChange[]>();
  for (const change of changes) {
    const date = format.date(Date.parse(change.minute), timeZone);
    const members = days.get(date);
    if (members === undefined) days.set(date, [change]);
    else members.push(change);
  }
  return [...days].map(([date, members]) => ({ date, changes: members }));
}

/** How clear a step is, in words. A score is the step's size over the least that would have been reported; 1 is only just. */
export function clearness(score: number): string {
  if (score < 1.5) return 'only just';
  if (score < 3) return 'clear';
  return score < 10 ? 'very clear' : 'beyond doubt';
}

/** The score as a number: tenths where they matter. */
export function scoreText(score: number): string {
  return score < 9.95 ? score.toFixed(1) : score.toFixed(0);
}

/** The size of a step with its sign. */
export function deltaText(delta: number): string {
  return `${delta < 0 ? '−' : '+'}${format.ms(Math.abs(delta))}`;
}

/** How much of the level before a step is. */
export function shareText({ before_ms, delta_ms }: RouteChange): string {
  const percent = (delta_ms / before_ms) * 100;
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(Math.abs(percent) < 9.95 ? 1 : 0)} %`;
}

/** One line about all that is shown. */
export function summary(shown: readonly RouteChange[]): string {
  const slower = shown.filter(({ delta_ms }) => delta_ms > 0).length;
  const pairs = new Set(shown.map(({ source, target }) => `${source} ${target}`)).size;
  const steps = `${format.count(shown.length)} ${shown.length === 1 ? 'step' : 'steps'}`;
  return `${steps} of ${format.count(pairs)} ${pairs === 1 ? 'pair' : 'pairs'}: ${format.count(slower)} slower, ${format.count(shown.length - slower)} faster`;
}

/** Where the marks of the changes end, in ms: one scale for all that are shown, so that lengths can be compared. */
export function scaleEnd(shown: readonly RouteChange[]): number {
  const greatest = Math.max(50, ...shown.map(({ before_ms, after_ms }) => Math.max(before_ms, after_ms)));
  return Math.ceil(greatest / 50) * 50;
}
