import { describe, expect, it } from 'vitest';
import { choicesFor, drawingOf, MOST_BARS, MOST_LINES, valueColumns } from './chart';
import { emptySays, tablesRead } from './empty';
import { EXAMPLES } from './examples';
import { pythonQuoted, shellQuoted, snippets } from './snippets';
import { cellText, errorPlace, errorText, fullText, kindOf, ordered, quoted, tablesOf, typeWord, type Result, type Value } from './sql';

const TIME = 'Timestamp(µs, "UTC")';

function result(columns: [string, string][], rows: Value[][]): Result {
  return { columns: columns.map(([name, type]) => ({ name, type })), rows, row_count: rows.length, elapsed_ms: 1, truncated: false };
}

describe('values', () => {
  it('have kinds and words', () => {
    const types = ['Int64', 'Float64', 'Decimal128(20, 0)', TIME, 'Date32', 'Utf8', 'Boolean', 'Binary'];
    expect(types.map((type) => kindOf({ name: '', type }))).toEqual(['number', 'number', 'number', 'time', 'time', 'text', 'other', 'other']);
    expect(types.map(typeWord)).toEqual(['integer', 'number', 'number', 'time, UTC', 'date', 'text', 'boolean', 'bytes']);
  });

  it('are short in the table and whole elsewhere', () => {
    expect([1, 285.17849, 0.00012345, null, true, [1, 2]].map(cellText)).toEqual(['1', '285.178', '0.0001234', 'null', 'true', '[1,2]']);
    expect(cellText('x'.repeat(200))).toHaveLength(81);
    expect(fullText('2026-11-22T12:06:52.732752+00:00')).toBe('2026-11-22 12:06:52.732752');
    expect(fullText('2026-11-22T12:00:00.000000+00:00')).toBe('2026-11-22 12:00:00');
  });

  it('are ordered as what they are, nulls last', () => {
    const rows: Value[][] = [[10], [null], [9]];
    expect(ordered(rows, 0, false)).toEqual([[9], [10], [null]]);
    expect(ordered(rows, 0, true)).toEqual([[10], [9], [null]]);
    expect(ordered([['b'], ['a']], 0, false)).toEqual([['a'], ['b']]);
  });
});

describe('errors', () => {
  const said = 'Bad Request: SQL error: ParserError("Expected: end of statement, found: frm at Line: 2, Column: 3")';

  it('are told without wrapping', () => {
    expect(errorText(said)).toBe('Expected: end of statement, found: frm');
    expect(errorText('Bad Request: Arrow error: Divide by zero error')).toBe('Divide by zero error');
  });

  it('have a place where one is known', () => {
    expect(errorPlace(said, 'select *\n  frm live')).toEqual({ line: 2, column: 3, start: 11, length: 3 });
    expect(errorPlace('SQL error: ParserError("Expected: ), found: EOF")', 'select\n(2\n\n')).toEqual({ line: 2, column: 3, start: 9, length: 0 });
    expect(errorPlace('Schema error: No field named nope.\nValid', 'select\n nope from live')).toEqual({ line: 2, column: 2, start: 8, length: 4 });
    expect(errorPlace("Error during planning: table 'cloudping.public.nope' not found", 'select * from nope')).toMatchObject({ column: 15, length: 4 });
    expect(errorPlace("Error during planning: Invalid function 'foo'.", 'select foo(1)')).toMatchObject({ column: 8, length: 3 });
    expect(errorPlace('The server cannot be reached', 'select 1')).toBeNull();
  });
});

describe('the catalogue', () => {
  it('is tables with their columns', () => {
    const answer = result([], [['live', 'window', 'Utf8', 'which'], ['live', 'sent', 'Int64', null], ['ledger', 'hour', TIME, 'start']]);
    expect(tablesOf(answer).map(({ name, fields }) => [name, fields.length])).toEqual([['live', 2], ['ledger', 1]]);
    expect(['sent', 'window', 'partition', 'Two words'].map(quoted)).toEqual(['sent', '"window"', '"partition"', '"Two words"']);
  });
});

describe('snippets', () => {
  const query = `select 'it''s' from live where "window" = '1h'`;

  it('survive the quoting of shells and of Python', () => {
    expect(shellQuoted("a'b")).toBe(`'a'\\''b'`);
    expect(pythonQuoted('select 1')).toBe('"select 1"');
    expect(pythonQuoted('select "a"\nfrom b')).toBe('"""select "a"\nfrom b"""');
    expect(pythonQuoted('select "a"')).toBe('"select \\"a\\""');
    expect(pythonQuoted('a\\b')).toBe('"a\\\\b"');
  });

  it('name this very service', () => {
    const all = snippets(query, 'https://host:1');
    expect(all.map(({ name }) => name)).toEqual(['curl', 'DuckDB', 'Polars', 'pandas', 'Athena']);
    for (const { name, text } of all.slice(0, 4)) expect(text, name).toContain('https://host:1/api/v1/sql');
    expect(all[0]?.text).toContain(shellQuoted(query));
    expect(all[4]?.note).toMatch(/lacks .*: live\.$/);
  });
});

describe('the chart', () => {
  const hours = result(
    [['hour', TIME], ['target', 'Utf8'], ['p50_ms', 'Float64'], ['sent', 'Int64']],
    [
      ['2026-01-01T01:00:00.000000+00:00', 'a', 3, 10],
      ['2026-01-01T00:00:00.000000+00:00', 'a', 2, 10],
      ['2026-01-01T01:00:00.000000+00:00', 'b', 5, 10],
    ],
  );

  it('draws a line for each text over the times', () => {
    const start = Date.parse('2026-01-01T00:00:00Z') / 1000;
    expect(drawingOf(hours, 'auto', '')).toEqual({
      kind: 'line',
      times: [start, start + 3600],
      lines: [{ name: 'a', values: [2, 3] }, { name: 'b', values: [null, 5] }],
      all: 2,
    });
    expect(drawingOf(hours, 'line', 'sent')).toMatchObject({ lines: [{ values: [10, 10] }, { values: [null, 10] }] });
  });

  it('names a line by its column where there is no text', () => {
    const dates = result([['day', 'Date32'], ['n', 'Int64']], [['2026-01-01', 1]]);
    expect(drawingOf(dates, 'auto', '')).toMatchObject({ times: [Date.parse('2026-01-01T00:00:00Z') / 1000], lines: [{ name: 'n' }] });
  });

  it('draws bars where there is no time, or they are wanted', () => {
    expect(drawingOf(hours, 'bars', 'sent')).toEqual({ kind: 'bars', names: ['a', 'a', 'b'], values: [10, 10, 10], all: 3 });
    const many = result([['name', 'Utf8'], ['n', 'Int64']], Array.from({ length: 100 }, (_, index) => [`n${index}`, index]));
    expect(drawingOf(many, 'auto', '')).toMatchObject({ kind: 'bars', all: 100, names: { length: MOST_BARS } });
    const lines = result([['t', TIME], ['name', 'Utf8'], ['n', 'Int64']], Array.from({ length: 20 }, (_, index) => ['2026-01-01T00:00:00Z', `n${index}`, 1]));
    expect(drawingOf(lines, 'auto', '')).toMatchObject({ kind: 'line', all: 20, lines: { length: MOST_LINES } });
  });

  it('draws nothing where there is nothing to draw', () => {
    const words = result([['a', 'Utf8']], [['x']]);
    expect(choicesFor(words.columns)).toEqual({ line: false, bars: false });
    expect(drawingOf(words, 'auto', '')).toBeNull();
    expect(drawingOf(hours, 'none', '')).toBeNull();
    expect(drawingOf({ ...hours, rows: [] }, 'auto', '')).toBeNull();
    expect(valueColumns(hours.columns)).toEqual(['p50_ms', 'sent']);
  });
});

it('has examples enough, each of another name', () => {
  expect(new Set(EXAMPLES.map(({ title }) => title)).size).toBeGreaterThanOrEqual(8);
});

describe('an answer without rows', () => {
  it('may be of a table that is still to fill', () => {
    expect(tablesRead(EXAMPLES[0].query)).toEqual(['rollup_1h']);
    expect(tablesRead('SELECT * FROM Samples JOIN changes USING (source)')).toEqual(['samples', 'changes']);
    expect(tablesRead('select sent as my_samples from live')).toEqual([]);
  });

  it('says why, and since when there is something', () => {
    expect(emptySays('rollup_1h', '2026-11-22T18:43:43.606100+00:00')).toMatch(/^rollup_1h is still empty: .*, and the data begins at 2026-11-22 18:43 UTC\. /);
    expect(emptySays('samples', null)).toMatch(/, and there are no samples yet\. /);
  });
});
