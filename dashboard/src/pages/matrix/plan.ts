/** Where the cells of the drawn matrix are. Lengths are whole pixels of the screen, so that no edge is blurred. Pure. */

import type { Group } from '../../lib/places';

/** Least and greatest width of a cell, and the gap between groups, in px of the page. */
const LEAST = 3;
const MOST = 14;
const GAP = 4;

/** One axis of the drawing. */
export interface Axis {
  /** Width of a cell. */
  cell: number;
  /** Where each cell starts. */
  starts: readonly number[];
  length: number;
  groups: readonly { code: string; name: string; start: number; length: number; count: number }[];
}

function counts(groups: readonly Group[]): number {
  return groups.reduce((sum, { places }) => sum + places.length, 0);
}

/** The width of a cell with which the columns fill `width` px of the page, as far as it may vary; `ratio` is that of the screen's pixels. */
export function cellWidth(columns: readonly Group[], width: number, ratio: number): number {
  const room = width * ratio - (columns.length - 1) * Math.round(GAP * ratio);
  const fitting = Math.floor(room / Math.max(1, counts(columns)));
  return Math.round(Math.min(Math.max(fitting, LEAST * ratio), MOST * ratio));
}

/** Lays groups out one after the other. */
export function axisOf(groups: readonly Group[], cell: number, ratio: number): Axis {
  const gap = Math.round(GAP * ratio);
  const starts: number[] = [];
  let at = 0;
  const laid = groups.map(({ code, name, places }) => {
    const start = at;
    for (let index = 0; index < places.length; index += 1) starts.push(start + index * cell);
    const length = places.length * cell;
    at += length + gap;
    return { code, name, start, length, count: places.length };
  });
  return { cell, starts, length: Math.max(0, at - gap), groups: laid };
}

/** The cell at a place of the axis; in a gap the one before it, outside the nearest. */
export function indexAt({ starts }: Axis, place: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] ?? 0) <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A rectangle of cells; the ends are within it. */
export interface Span {
  from: number;
  to: number;
}

/** The ids of a span of an axis. */
export function idsOf(groups: readonly Group[], { from, to }: Span): string[] {
  return groups.flatMap(({ places }) => places.map(({ id }) => id)).slice(Math.min(from, to), Math.max(from, to) + 1);
}

/** What opens around a cell: its group, or of a large one the `most` nearest. */
export function spanAround(groups: readonly Group[], index: number, most: number): Span {
  let start = 0;
  for (const { places } of groups) {
    const end = start + places.length;
    if (index < end) {
      const from = Math.max(start, Math.min(index - Math.floor(most / 2), end - most));
      return { from, to: Math.min(end, from + most) - 1 };
    }
    start = end;
  }
  return { from: 0, to: 0 };
}
