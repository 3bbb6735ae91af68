/** What of an answer can be drawn: its first time or text column against one of numbers. Pure. */

import type { ChartChoice } from './address';
import { kindOf, type Column, type Result, type Value } from './sql';

/** More than these would be a tangle, or labels that nobody can read. */
export const MOST_LINES = 6;
export const MOST_BARS = 40;

export interface Lines {
  kind: 'line';
  /** Unix seconds, ascending. */
  times: number[];
  lines: { name: string; values: (number | null)[] }[];
  /** How many lines there would be. */
  all: number;
}

export interface Bars {
  kind: 'bars';
  names: string[];
  values: (number | null)[];
  /** How many bars there would be. */
  all: number;
}

export type Drawing = Lines | Bars;

/** Columns that can be drawn. */
export function valueColumns(columns: readonly Column[]): string[] {
  return columns.filter((column) => kindOf(column) === 'number').map(({ name }) => name);
}

/** Whether there is something to draw lines over, and bars. */
export function choicesFor(columns: readonly Column[]): { line: boolean; bars: boolean } {
  const has = (kind: string): boolean => columns.some((column) => kindOf(column) === kind);
  return { line: has('time') && has('number'), bars: has('text') && has('number') };
}

function secondsOf(value: Value): number {
  const text = String(value);
  // A bare time of the engine is UTC; a date is read as UTC already.
  return Date.parse(/T[\d:.]+$/.test(text) ? `${text}Z` : text) / 1000;
}

const numberOf = (value: Value | undefined): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);

function linesOf({ columns, rows }: Result, value: number): Lines {
  const time = columns.findIndex((column) => kindOf(column) === 'time');
  const texts = columns.flatMap((column, index) => (kindOf(column) === 'text' ? [index] : []));
  const byName = new Map<string, Map<number, number | null>>();
  const times = new Set<number>();
  for (const row of rows) {
    const at = secondsOf(row[time] ?? null);
    if (Number.isNaN(at)) continue;
    const name = texts.map((index) => String(row[index] ?? '–')).join(' → ');
    const line = byName.get(name) ?? new Map<number, number | null>();
    byName.set(name, line.set(at, numberOf(row[value])));
    times.add(at);
  }
  const sorted = [...times].sort((one, other) => one - other);
  const drawn = [...byName].slice(0, MOST_LINES);
  return {
    kind: 'line',
    times: sorted,
    lines: drawn.map(([name, line]) => ({ name: name || (columns[value]?.name ?? ''), values: sorted.map((at) => line.get(at) ?? null) })),
    all: byName.size,
  };
}

function barsOf({ columns, rows }: Result, value: number): Bars {
  const texts = columns.flatMap((column, index) => (kindOf(column) === 'text' ? [index] : []));
  const drawn = rows.slice(0, MOST_BARS);
  return {
    kind: 'bars',
    names: drawn.map((row) => texts.map((index) => String(row[index] ?? '–')).join(' → ')),
    values: drawn.map((row) => numberOf(row[value])),
    all: rows.length,
  };
}

/** The drawing of an answer; null where there is none, or none is wanted. */
export function drawingOf(result: Result, choice: ChartChoice, valueName: string): Drawing | null {
  const { line, bars } = choicesFor(result.columns);
  const kind = choice === 'auto' ? (line ? 'line' : 'bars') : choice;
  if (result.rows.length === 0 || kind === 'none' || (kind === 'line' ? !line : !bars)) return null;
  const named = result.columns.findIndex((column) => column.name === valueName && kindOf(column) === 'number');
  const value = named >= 0 ? named : result.columns.findIndex((column) => kindOf(column) === 'number');
  return kind === 'line' ? linesOf(result, value) : barsOf(result, value);
}
