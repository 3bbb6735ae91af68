import { expect, it } from 'vitest';
import { step } from './keys';

const at = { row: 2, column: 3 };
const go = (key: string, control = false, from = at): unknown => step(from, key, control, 5, 6);

it('moves by one', () => {
  expect(go('ArrowLeft')).toEqual({ row: 2, column: 2 });
  expect(go('ArrowRight')).toEqual({ row: 2, column: 4 });
  expect(go('ArrowUp')).toEqual({ row: 1, column: 3 });
  expect(go('ArrowDown')).toEqual({ row: 3, column: 3 });
});

it('goes to the ends of the row, and with Control of the grid', () => {
  expect(go('Home')).toEqual({ row: 2, column: 0 });
  expect(go('End')).toEqual({ row: 2, column: 5 });
  expect(go('Home', true)).toEqual({ row: 0, column: 0 });
  expect(go('End', true)).toEqual({ row: 4, column: 5 });
});

it('goes by pages', () => {
  const far = (key: string, row: number): unknown => step({ row, column: 1 }, key, false, 30, 6);
  expect(far('PageDown', 3)).toEqual({ row: 13, column: 1 });
  expect(far('PageDown', 25)).toEqual({ row: 29, column: 1 });
  expect(far('PageUp', 13)).toEqual({ row: 3, column: 1 });
  expect(far('PageUp', 3)).toEqual({ row: 0, column: 1 });
});

it('stops at the edges, the headers of row and column being one', () => {
  expect(go('ArrowLeft', false, { row: 0, column: 0 })).toEqual({ row: 0, column: -1 });
  expect(go('ArrowLeft', false, { row: 0, column: -1 })).toEqual({ row: 0, column: -1 });
  expect(go('ArrowUp', false, { row: 0, column: 0 })).toEqual({ row: -1, column: 0 });
  expect(go('ArrowDown', false, { row: 4, column: 5 })).toEqual({ row: 4, column: 5 });
  expect(go('ArrowRight', false, { row: 4, column: 5 })).toEqual({ row: 4, column: 5 });
});

it('has no header of headers', () => {
  expect(go('ArrowLeft', false, { row: -1, column: 0 })).toEqual({ row: -1, column: 0 });
  expect(go('ArrowUp', false, { row: 0, column: -1 })).toEqual({ row: 0, column: -1 });
});

it('leaves other keys alone', () => expect(go('Enter')).toBeNull());
