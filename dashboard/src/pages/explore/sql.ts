/** Statements and their answers as data. Pure but for {@link run}. */

import { post } from '../../api';

export interface Column {
  name: string;
  /** As the engine calls it, such as `Timestamp(µs, "UTC")`. */
  type: string;
}

export type Value = string | number | boolean | null | object;

export interface Result {
  columns: Column[];
  rows: Value[][];
  row_count: number;
  elapsed_ms: number;
  /** There was more than the service gives in this form. */
  truncated: boolean;
}

/** The most rows of an answer in this form, as docs/sql.md has it. */
export const ROW_LIMIT = 100_000;
/** The most rows that are put on the page. */
export const SHOWN_ROWS = 500;

/** Lets the service answer a statement. */
export async function run(query: string, signal: AbortSignal): Promise<Result> {
  return (await post('/api/v1/sql', { query }, signal)) as unknown as Result;
}

export type Kind = 'number' | 'time' | 'text' | 'other';

/** What can be done with a column. */
export function kindOf({ type }: Column): Kind {
  if (/^(U?Int|Float|Decimal)/.test(type)) return 'number';
  if (/^(Timestamp|Date)/.test(type)) return 'time';
  return /^(Large)?Utf8/.test(type) ? 'text' : 'other';
}

/** A type for people. */
export function typeWord(type: string): string {
  if (type.startsWith('Timestamp')) return type.includes('UTC') ? 'time, UTC' : 'time';
  if (type.startsWith('Date')) return 'date';
  if (/^U?Int/.test(type)) return 'integer';
  if (/^(Float|Decimal)/.test(type)) return 'number';
  if (/^(Large)?Utf8/.test(type)) return 'text';
  if (/Binary/.test(type)) return 'bytes';
  return type.toLowerCase();
}

const LONGEST = 80;

/** A value as the table shows it; what is cut here is whole in {@link fullText}. */
export function cellText(value: Value): string {
  const text = typeof value === 'number' && !Number.isInteger(value) ? shortNumber(value) : fullText(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

export function fullText(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'object') return JSON.stringify(value);
  // 2026-01-02T03:04:05.000000+00:00: the head of the column says that times are UTC.
  const time = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(\+00:00|Z)?$/.exec(String(value));
  return time === null ? String(value) : `${time[1]} ${time[2]}${(time[3] ?? '').replace(/\.?0+$/, '')}`;
}

/** Three decimals, so that they stand below one another; four digits of what is small. */
function shortNumber(value: number): string {
  return Math.abs(value) < 0.1 ? String(Number(value.toPrecision(4))) : value.toFixed(3);
}

function compare(one: Value, other: Value): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  const [a, b] = [String(one), String(other)];
  return a === b ? 0 : a < b ? -1 : 1;
}

/** The rows by one column; nulls stand last either way. */
export function ordered(rows: readonly Value[][], column: number, descending: boolean): Value[][] {
  return [...rows].sort((one, other) => {
    const [a, b] = [one[column] ?? null, other[column] ?? null];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return descending ? compare(b, a) : compare(a, b);
  });
}

/** Why a statement failed, without the wrapping of the engine. */
export function errorText(message: string): string {
  return message
    .replace(/^(Bad Request|Unprocessable Entity): /, '')
    .replace(/^SQL error: ParserError\("(.*)"\)$/s, (_, inner: string) => inner.replace(/\\(["'\\])/g, '$1'))
    .replace(/^(Error during planning|Schema error|Arrow error): /, '')
    .replace(/ at Line: \d+, Column: \d+$/, '');
}

/** Where a statement is wrong; lines and columns are counted from 1. */
export interface Place {
  line: number;
  column: number;
  /** Where that is in the text, and how long it is. */
  start: number;
  length: number;
}

function placeAt(text: string, start: number, length: number): Place {
  const before = text.slice(0, start).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, start, length };
}

/** The place that a message is about: as it says, or where the name stands that it complains of; null where neither is known. */
export function errorPlace(message: string, text: string): Place | null {
  const said = /at Line: (\d+), Column: (\d+)/.exec(message);
  if (said !== null) {
    const [line, column] = [Number(said[1]), Number(said[2])];
    const start = text.split('\n').slice(0, line - 1).reduce((sum, { length }) => sum + length + 1, 0) + column - 1;
    return { line, column, start, length: /^\w+/.exec(text.slice(start))?.[0].length ?? 1 };
  }
  if (message.includes('found: EOF')) return placeAt(text, text.trimEnd().length, 0);
  const [, named] = /(?:No field named|Invalid function|table '[\w.]*?\.?(?=\w+' not found))\s*['"]?([\w]+)/.exec(message) ?? [];
  if (named === undefined) return null;
  const found = new RegExp(`\\b${named}\\b`, 'i').exec(text);
  return found === null ? null : placeAt(text, found.index, named.length);
}

/** A column of the catalogue of tables. */
export interface Field {
  name: string;
  type: string;
  comment: string;
}

export interface Table {
  name: string;
  fields: Field[];
}

export const SCHEMA_QUERY = `select table_name, column_name, data_type, comment
from information_schema.columns order by table_name, ordinal_position`;

/** The tables with their columns, out of the answer to {@link SCHEMA_QUERY}. */
export function tablesOf({ rows }: Result): Table[] {
  const tables = new Map<string, Field[]>();
  for (const [table, name, type, comment] of rows.map((row) => row.map((value) => String(value ?? '')))) {
    const field = { name: name ?? '', type: type ?? '', comment: comment ?? '' };
    const fields = tables.get(table ?? '');
    if (fields === undefined) tables.set(table ?? '', [field]);
    else fields.push(field);
  }
  return [...tables].map(([name, fields]) => ({ name, fields }));
}

/** A name as a statement spells it: `window` is a word of the language. */
export function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && name !== 'window' && name !== 'partition' ? name : `"${name.replaceAll('"', '""')}"`;
}
