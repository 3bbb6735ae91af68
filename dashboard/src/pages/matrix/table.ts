/** The matrix as a text that a spreadsheet takes. */

/** A table of tab-separated values with its headers; an empty field where there is no number. */
export function tsv(rows: readonly string[], columns: readonly string[], value: (row: string, column: string) => number | null): string {
  const lines = rows.map((row) => [row, ...columns.map((column) => written(value(row, column)))]);
  return [['from \\ to', ...columns], ...lines].map((fields) => fields.join('\t')).join('\n');
}

/** Enough digits for any measure, and none that the sum only made up. */
function written(value: number | null): string {
  return value === null ? '' : `${Number(value.toPrecision(6))}`;
}
