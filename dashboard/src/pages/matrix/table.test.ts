import { expect, it } from 'vitest';
import { tsv } from './table';

it('has headers, a line for each row, and nothing where nothing is known', () => {
  const values: Record<string, number> = { 'a b': 1.25, 'b a': 1 / 3 };
  expect(tsv(['a', 'b'], ['a', 'b'], (row, column) => values[`${row} ${column}`] ?? null)).toBe('from \\ to\ta\tb\na\t\t1.25\nb\t0.333333\t');
});
