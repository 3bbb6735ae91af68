/** The ledger as data: one row a vantage point, with its hours, what it lost and what is missing. Pure. */

import type { Schemas } from '../../api';
import * as format from '../../lib/format';
import { STALE_MS } from '../../lib/matrix';
import type { Place } from '../../lib/places';
import { matches } from '../../lib/places';
import type { CoverageState, Sort } from './address';

export type Hour = Schemas['CoverageHour'];
export type Pair = Schemas['PairCoverage'];

const HOUR_MS = 3_600_000;
/** The ledger keeps this many hours. */
const KEPT_HOURS = 49;
const LEAST_HOURS = 24;
/** Of an hour of some thousand probes, what is less than this is a round that is just under way. */
export const WHOLE_PERCENT = 99.9;

/** What a vantage point needs looking at for, the worst first. */
export const CONDITIONS = ['silent', 'unanswered', 'incomplete', 'whole'] as const;
export type Condition = (typeof CONDITIONS)[number];

export interface Row {
  place: Place;
  condition: Condition;
  /** Time of the newest probe, Unix ms; null when there is none in the last 5 min. */
  newest: number | null;
  /** One entry an hour of the strip; null where the ledger has none. */
  hours: (Hour | null)[];
  due: number;
  counted: number;
  /** Percent; null when nothing was due. */
  completeness: number | null;
  missingRounds: number;
  notSent: number;
  late: number;
  duplicates: number;
  gaps: [reason: string, count: number][];
  /** Of the last 5 min. */
  sent: number;
  lost: number;
}

/** Starts of the hours of all strips, Unix ms: as far back as the ledger of any goes, and never fewer than a day. */
export function spanOf(hours: readonly Hour[], now: number): number[] {
  const last = Math.floor(now / HOUR_MS) * HOUR_MS;
  const first = Math.min(last, ...hours.map(({ hour }) => Date.parse(hour)));
  const length = Math.min(KEPT_HOURS, Math.max(LEAST_HOURS, (last - first) / HOUR_MS + 1));
  return Array.from({ length }, (_, index) => last - (length - 1 - index) * HOUR_MS);
}

/** What belongs together, in order of appearance. */
export function grouped<T>(items: readonly T[], by: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const members = groups.get(by(item));
    if (members === undefined) groups.set(by(item), [item]);
    else members.push(item);
  }
  return groups;
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number => items.reduce((total, item) => total + of(item), 0);

function gapsOf(hours: readonly Hour[]): [string, number][] {
  const all = new Map<string, number>();
  for (const { gaps } of hours) for (const [reason, count] of Object.entries(gaps)) all.set(reason, (all.get(reason) ?? 0) + count);
  return [...all].filter(([, count]) => count > 0).sort(([, one], [, other]) => other - one);
}

function conditionOf(row: Omit<Row, 'condition'>, now: number): Condition {
  if (row.newest === null || now - row.newest > STALE_MS) return 'silent';
  if (row.sent > 0 && row.lost === row.sent) return 'unanswered';
  return row.completeness !== null && row.completeness < WHOLE_PERCENT ? 'incomplete' : 'whole';
}

function rowOf(place: Place, own: readonly Hour[], pairs: readonly Pair[], span: readonly number[], now: number): Row {
  const byHour = new Map(own.map((hour) => [Date.parse(hour.hour), hour]));
  const times = pairs.flatMap(({ last }) => (last === null ? [] : [Date.parse(last)]));
  const due = sum(own, (hour) => hour.due);
  const counted = sum(own, (hour) => hour.counted);
  const row = {
    place,
    newest: times.length === 0 ? null : Math.max(...times),
    hours: span.map((time) => byHour.get(time) ?? null),
    due,
    counted,
    completeness: due === 0 ? null : (100 * counted) / due,
    missingRounds: sum(own, (hour) => hour.missing_rounds),
    notSent: sum(own, (hour) => hour.not_sent),
    late: sum(own, (hour) => hour.late),
    duplicates: sum(own, (hour) => hour.duplicates),
    gaps: gapsOf(own),
    sent: sum(pairs, (pair) => pair.sent),
    lost: sum(pairs, (pair) => pair.lost),
  };
  return { ...row, condition: conditionOf(row, now) };
}

/** One row for each place that measures, or that the ledger knows. */
export function rowsOf(places: readonly Place[], hours: readonly Hour[], pairs: readonly Pair[], now: number): Row[] {
  const span = spanOf(hours, now);
  const byHour = grouped(hours, ({ source }) => source);
  const byPair = grouped(pairs, ({ source }) => source);
  return places.map((place) => rowOf(place, byHour.get(place.id) ?? [], byPair.get(place.id) ?? [], span, now));
}

export const lossOf = ({ sent, lost }: Row): number => (sent === 0 ? 0 : lost / sent);

/** What a column is sorted by: the least stands first, and that is the worst. */
const KEYS: Record<Exclude<Sort, 'name'>, (row: Row) => number> = {
  state: ({ condition }) => CONDITIONS.indexOf(condition),
  newest: ({ newest }) => newest ?? 0,
  completeness: ({ completeness }) => completeness ?? -1,
  loss: (row) => -lossOf(row),
  missing: ({ missingRounds }) => -missingRounds,
  unsent: ({ notSent }) => -notSent,
};

/** The rows that the filter lets through, in the order that is wanted. */
export function arranged(rows: readonly Row[], { filter, show, sort, reversed }: CoverageState): Row[] {
  const key = sort === 'name' ? () => 0 : KEYS[sort];
  const turn = reversed ? -1 : 1;
  return rows
    .filter(({ place, condition }) => matches(place, filter) && (show === 'all' || condition !== 'whole'))
    .sort(
      (one, other) =>
        turn * (key(one) - key(other)) ||
        // Where the state is the same, what is less complete is worse.
        (sort === 'state' ? (one.completeness ?? -1) - (other.completeness ?? -1) : 0) ||
        (sort === 'name' ? turn : 1) * (one.place.id < other.place.id ? -1 : 1),
    );
}

/** A completeness, which never reads as whole when it is not. */
export function percentText(percent: number | null): string {
  if (percent === null) return '–';
  return percent === 100 ? '100 %' : `${Math.min(99.99, percent).toFixed(2)} %`;
}

export const CONDITION_WORDS: Record<Condition, string> = {
  silent: 'silent',
  unanswered: 'no answers',
  incomplete: 'incomplete',
  whole: 'whole',
};

/** Why something is missing, as SEMANTICS.md names it. */
const REASON_WORDS: Record<string, string> = {
  clock_step: 'clock step',
  suspended: 'suspended',
  overload: 'overload',
  spool_full: 'spool full',
};

export function gapsText(gaps: Row['gaps']): string {
  return gaps.map(([reason, count]) => `${format.count(count)} × ${REASON_WORDS[reason] ?? reason}`).join(', ');
}

/** An hour of a strip: how high its bar is, and whether that is all of it. */
export function barOf(hour: Hour | null): { share: number; whole: boolean } | null {
  if (hour === null || hour.completeness === null) return null;
  return { share: hour.completeness / 100, whole: hour.completeness >= WHOLE_PERCENT };
}

/** An hour in words. */
export function hourText(start: number, hour: Hour | null, timeZone: string): string {
  const when = format.dateMinute(start, timeZone);
  if (hour === null) return `${when}: no record`;
  return `${when}: ${percentText(hour.completeness)}, ${format.count(hour.counted)} of ${format.count(hour.due)} probes due`;
}

/** A strip in words. */
export function stripText({ hours }: Row): string {
  const bars = hours.map(barOf);
  const whole = bars.filter((bar) => bar?.whole === true).length;
  const none = bars.filter((bar) => bar === null).length;
  return `${hours.length} hours: ${whole} whole, ${hours.length - whole - none} incomplete, ${none} without a record`;
}
