/** Why a statement finds nothing where the service has not run for long. Pure but for {@link askWhyEmpty}. */

import { fullText, run, type Value } from './sql';

/** The tables that fill by and by, and when they do. */
const FILLS = {
  samples: 'probes are archived once a minute',
  rollup_1h: 'hours are rolled up within minutes of their first samples',
  rollup_1d: 'a day is rolled up half an hour after its end (UTC)',
  changes: 'a pair has none in its first 20 minutes',
} as const;
type Filling = keyof typeof FILLS;
const TABLES = Object.keys(FILLS) as Filling[];

/** Those of these tables that a statement reads. */
export function tablesRead(query: string): Filling[] {
  return TABLES.filter((table) => new RegExp(`\\b(from|join)\\s+${table}\\b`, 'i').test(query));
}

/** What is said of an empty table; `since` is when the data begins, as the service spells times, null where there is none. */
export function emptySays(table: Filling, since: Value): string {
  const begin = since === null ? 'there are no samples yet' : `the data begins at ${fullText(since).slice(0, 16)} UTC`;
  return `${table} is still empty: ${FILLS[table]}, and ${begin}. Run it again then.`;
}

/** Asks whether one of the tables of a statement without rows is still empty; null where that is not why. */
export async function askWhyEmpty(query: string, signal: AbortSignal): Promise<string | null> {
  const read = tablesRead(query);
  const found = await Promise.all(read.map((table) => run(`select 1 from ${table} limit 1`, signal)));
  const empty = read.find((_, index) => found[index]?.row_count === 0);
  if (empty === undefined) return null;
  // Where there are no hours yet, there are few samples.
  const first = empty === 'rollup_1h' ? 'min(ts) from samples' : 'min(hour) from rollup_1h';
  return emptySays(empty, (await run(`select ${first}`, signal)).rows[0]?.[0] ?? null);
}
