/** The matrix as data: keys, merging of updates, which numbers are asked for, and what one cell shows. Pure; no clock, no DOM. */

import { rfc3339, type Cell, type MatrixQuery, type Protocol, type Window } from '../api';
import { classOf, type Measure } from './colour';
import * as format from './format';
import { fibreFloorMs, greatCircleKm } from './geo';
import type { Place } from './places';
import { WINDOW_MS, WINDOW_WORDS } from './words';

/** A sample older than this is stale. */
export const STALE_MS = 60_000;

/** Nearer than this, what light needs says nothing of the network: a region is no point. */
const NEAR_KM = 10;

const MINUTE_MS = 60_000;

/** Which numbers are asked for. */
export interface Selection {
  /** Any percentile, or `mean`, `min`, `max`. */
  percentile: string;
  window: Window;
  protocol: Protocol;
  /** Where the window ends, Unix ms; null for one that ends now, always. */
  at: number | null;
}

/** Whether two selections are of the same numbers. */
export function sameSelection(one: Selection | null, other: Selection): boolean {
  return one !== null && one.percentile === other.percentile && one.window === other.window && one.protocol === other.protocol && one.at === other.at;
}

/** A selection as the API takes it. Ranges of the past are in whole minutes. */
export function queryOf({ percentile, window, protocol, at }: Selection): MatrixQuery {
  if (at === null) return { percentile, window, protocol };
  const end = Math.floor(at / MINUTE_MS) * MINUTE_MS;
  return { percentile, protocol, start: rfc3339(end - WINDOW_MS[window]), end: rfc3339(end) };
}

/** The window in words that follow "in" or "of". */
export function windowWords({ window, at }: Selection): string {
  return at === null ? `the last ${WINDOW_WORDS[window]}` : `the ${WINDOW_WORDS[window]} before`;
}

/** The least round-trip time between two places that fibre would allow; null where it says nothing. */
export function floorOf(source: Place, target: Place): number | null {
  if (source.region === null || target.region === null) return null;
  const distance = greatCircleKm(source.region, target.region);
  return distance < NEAR_KM ? null : fibreFloorMs(distance);
}

/** The number of a cell that a measure shows; null where there is none. Loss is a share. */
export function valueOf(cell: Cell | undefined, measure: Measure, floor: number | null): number | null {
  if (!isMeasured(cell)) return null;
  switch (measure) {
    case 'rtt':
      return cell.rtt_ms;
    case 'loss':
      return cell.loss;
    case 'jitter':
      return cell.jitter_ms;
    case 'fibre':
      return cell.rtt_ms === null || floor === null ? null : cell.rtt_ms / floor;
  }
}

/** A measure's number for a cell of the matrix: at most four characters. */
export function cellText(value: number | null, measure: Measure): string {
  if (value === null || measure === 'rtt') return format.cellMs(value);
  if (measure === 'loss') return cellLoss(value * 100);
  return value < (measure === 'jitter' ? 0.995 : 9.995) ? value.toFixed(2) : format.cellMs(value);
}

/** What is not zero never reads as zero, nor what is not all as all. */
function cellLoss(percent: number): string {
  if (percent === 0) return '0';
  if (percent < 0.1) return '<0.1';
  return percent < 9.95 ? percent.toFixed(1) : percent < 100 ? `${Math.min(99, Math.round(percent))}` : '100';
}

/** A measure's number with its unit. */
export function valueText(value: number | null, measure: Measure): string {
  if (value === null) return format.ms(null);
  if (measure === 'loss') return format.loss(value);
  return measure === 'fibre' ? `${value.toFixed(2)} × fibre` : format.ms(value);
}

/** A cell with times that are read once, in Unix ms. */
export interface Entry {
  cell: Cell;
  /** Of the answer that it came with. */
  asOf: number;
  /** Of its newest sample; NaN for none. */
  last: number;
}

/** Identity of a direction. The separator cannot occur in an id. */
export function keyOf(source: string, target: string): string {
  return `${source}\u0000${target}`;
}

/** What changes when an update is taken in. */
export interface Merge {
  /** Entries to store, by key. */
  changed: Map<string, Entry>;
  /** Sources and targets that were not known, in order of appearance. */
  newSources: string[];
  newTargets: string[];
}

function sameNumbers(one: Cell, other: Cell): boolean {
  return (
    one.rtt_ms === other.rtt_ms &&
    one.count === other.count &&
    one.sent === other.sent &&
    one.lost === other.lost &&
    one.loss === other.loss &&
    one.jitter_ms === other.jitter_ms &&
    one.low_count === other.low_count &&
    one.last === other.last
  );
}

/**
 * Decides what an update changes. An answer that overtook another must not bring old numbers back, so an
 * entry only gives way to one that is as new or newer.
 */
export function merge(
  known: (source: string, target: string) => Entry | undefined,
  sources: ReadonlySet<string>,
  targets: ReadonlySet<string>,
  asOf: number,
  cells: readonly Cell[],
): Merge {
  const changed = new Map<string, Entry>();
  const newSources = new Set<string>();
  const newTargets = new Set<string>();
  for (const cell of cells) {
    if (!sources.has(cell.source)) newSources.add(cell.source);
    if (!targets.has(cell.target)) newTargets.add(cell.target);
    const key = keyOf(cell.source, cell.target);
    const before = changed.get(key) ?? known(cell.source, cell.target);
    if (before !== undefined && (before.asOf > asOf || sameNumbers(before.cell, cell))) continue;
    changed.set(key, { cell, asOf, last: Date.parse(cell.last ?? '') });
  }
  return { changed, newSources: [...newSources], newTargets: [...newTargets] };
}

/** How many pairs have a number, and how many of these too few samples for it. */
export interface Counts {
  readonly measured: number;
  readonly few: number;
}

/** The counts once a cell has taken the place of another; the very same where nothing changes. */
export function recount(counts: Counts, before: Cell | undefined, after: Cell | undefined): Counts {
  const has = (cell: Cell | undefined): number => (typeof cell?.rtt_ms === 'number' ? 1 : 0);
  const few = (cell: Cell | undefined): number => (cell?.low_count === true ? has(cell) : 0);
  const [measured, scarce] = [has(after) - has(before), few(after) - few(before)];
  return measured === 0 && scarce === 0 ? counts : { measured: counts.measured + measured, few: counts.few + scarce };
}

/** How one cell of the matrix is painted. */
export interface Look {
  /** Class of the heat scale; null when there is no number. */
  heat: number | null;
  /** Probes were sent and some were lost. */
  lossy: boolean;
  stale: boolean;
  lowCount: boolean;
}

/** What one cell of the matrix shows. */
export interface CellView extends Look {
  text: string;
}

const UNMEASURED: CellView = { text: '', heat: null, lossy: false, stale: false, lowCount: false };

/** Age of the newest sample in ms; null when there is none. */
export function ageOf(cell: Cell, now: number): number | null {
  return cell.last === null ? null : now - Date.parse(cell.last);
}

/** False when nothing was sent in the window: never, or so long ago that it has left the window. */
export function isMeasured(cell: Cell | undefined): cell is Cell {
  return cell !== undefined && cell.sent > 0;
}

/** Decides how a cell is painted whose newest sample is of that age in ms, null or NaN for none; `floor` is that of its pair. */
export function lookOf(cell: Cell | undefined, age: number | null, measure: Measure, floor: number | null): Look {
  if (!isMeasured(cell)) return UNMEASURED;
  const value = valueOf(cell, measure, floor);
  return {
    heat: value === null ? null : classOf(value, measure),
    lossy: cell.lost > 0,
    stale: (age ?? 0) > STALE_MS,
    lowCount: cell.low_count && cell.rtt_ms !== null && value !== null,
  };
}

/** Decides what a cell shows at the time `now` (Unix ms, the server's clock), its text included. */
export function viewOf(cell: Cell | undefined, now: number, measure: Measure = 'rtt', floor: number | null = null): CellView {
  if (!isMeasured(cell)) return UNMEASURED;
  return { text: cellText(valueOf(cell, measure, floor), measure), ...lookOf(cell, ageOf(cell, now), measure, floor) };
}

/** What stands where there is no number. */
function absence(cell: Cell, measure: Measure): string {
  return cell.rtt_ms !== null && measure === 'fibre' ? 'no distance to compare with' : 'no answer';
}

/** The same in words, for those who do not see the cell. */
export function describe(source: string, target: string, cell: Cell | undefined, view: CellView, measure: Measure = 'rtt', floor: number | null = null): string {
  const pair = `${source} to ${target}`;
  if (!isMeasured(cell)) return `${pair}: not measured`;
  const value = valueOf(cell, measure, floor);
  const parts = [value === null ? absence(cell, measure) : WORDS[measure](value, view.text)];
  if (view.lossy && measure !== 'loss') parts.push(`${format.loss(cell.loss)} lost`);
  if (view.lowCount) parts.push('few samples');
  if (view.stale) parts.push('stale');
  return `${pair}: ${parts.join(', ')}`;
}

const WORDS: Record<Measure, (value: number, text: string) => string> = {
  rtt: (_, text) => `${text} ms`,
  loss: (value) => `${format.loss(value)} lost`,
  jitter: (_, text) => `${text} ms of jitter`,
  fibre: (_, text) => `${text} times the fibre's floor`,
};
