/** The matrix as data: keys, merging of updates, and what one cell shows. Pure; no clock, no DOM. */

import type { Cell } from '../api';
import { classOf } from './colour';
import * as format from './format';

/** A sample older than this is stale. */
export const STALE_MS = 60_000;

/** A cell with the time (Unix ms) of the answer that it came with. */
export interface Entry {
  cell: Cell;
  asOf: number;
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
    one.low_count === other.low_count &&
    one.last === other.last
  );
}

/**
 * Decides what an update changes. An answer that overtook another must not bring old numbers back, so an
 * entry only gives way to one that is as new or newer.
 */
export function merge(
  known: { get(key: string): Entry | undefined },
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
    const before = changed.get(key) ?? known.get(key);
    if (before !== undefined && (before.asOf > asOf || sameNumbers(before.cell, cell))) continue;
    changed.set(key, { cell, asOf });
  }
  return { changed, newSources: [...newSources], newTargets: [...newTargets] };
}

/** What one cell of the matrix shows. */
export interface CellView {
  text: string;
  /** Class of the heat scale; null when there is no number. */
  heat: number | null;
  /** Probes were sent and some were lost. */
  lossy: boolean;
  stale: boolean;
  lowCount: boolean;
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

/** Decides what a cell shows at the time `now` (Unix ms, the server's clock). */
export function viewOf(cell: Cell | undefined, now: number): CellView {
  if (!isMeasured(cell)) return UNMEASURED;
  const age = ageOf(cell, now);
  return {
    text: format.cellMs(cell.rtt_ms),
    heat: cell.rtt_ms === null ? null : classOf(cell.rtt_ms),
    lossy: cell.lost > 0,
    stale: age !== null && age > STALE_MS,
    lowCount: cell.low_count && cell.rtt_ms !== null,
  };
}

/** The same in words, for those who do not see the cell. */
export function describe(source: string, target: string, cell: Cell | undefined, view: CellView): string {
  const pair = `${source} to ${target}`;
  if (!isMeasured(cell)) return `${pair}: not measured`;
  const parts = [cell.rtt_ms === null ? 'no answer' : `${view.text} ms`];
  if (view.lossy) parts.push(`${format.loss(cell.loss)} lost`);
  if (view.lowCount) parts.push('few samples');
  if (view.stale) parts.push('stale');
  return `${pair}: ${parts.join(', ')}`;
}
