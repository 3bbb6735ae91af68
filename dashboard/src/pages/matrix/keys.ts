/** Where the keys of a grid lead. */

/** How far PageUp and PageDown go. */
const PAGE = 10;

export interface Place2d {
  /** -1 is the header of the column. */
  row: number;
  /** -1 is the header of the row. */
  column: number;
}

/**
 * The place that a key leads to from `at` in a grid of `rows` by `columns`, or null for a key that has
 * no meaning here. Moves stop at the edges.
 */
export function step(at: Place2d, key: string, control: boolean, rows: number, columns: number): Place2d | null {
  const { row, column } = at;
  const last = { row: rows - 1, column: columns - 1 };
  switch (key) {
    case 'ArrowLeft':
      return { row, column: Math.max(row < 0 ? 0 : -1, column - 1) };
    case 'ArrowRight':
      return { row, column: Math.min(last.column, column + 1) };
    case 'ArrowUp':
      return { row: Math.max(column < 0 ? 0 : -1, row - 1), column };
    case 'ArrowDown':
      return { row: Math.min(last.row, row + 1), column };
    case 'PageUp':
      return { row: Math.max(0, row - PAGE), column };
    case 'PageDown':
      return { row: Math.min(last.row, row + PAGE), column };
    case 'Home':
      return { row: control ? 0 : row, column: 0 };
    case 'End':
      return { row: control ? last.row : row, column: last.column };
    default:
      return null;
  }
}
