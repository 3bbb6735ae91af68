import { describe, expect, it } from 'vitest';
import { Atlas, type Group } from '../../lib/places';
import { axisOf, cellWidth, idsOf, indexAt, spanAround } from './plan';

const atlas = new Atlas({ simulated: true, regions: [], vantages: [] });
function group(code: string, count: number): Group {
  return { code, name: code, places: Array.from({ length: count }, (_, index) => atlas.place(`${code}${index}`)) };
}
const GROUPS = [group('a', 3), group('b', 1), group('c', 60)];

describe('an axis', () => {
  const axis = axisOf(GROUPS, 10, 1);

  it('has its groups one after the other, with gaps', () => {
    expect(axis.starts.slice(0, 5)).toEqual([0, 10, 20, 34, 48]);
    expect(axis.groups.map(({ start, length }) => [start, length])).toEqual([[0, 30], [34, 10], [48, 600]]);
    expect(axis.length).toBe(648);
  });

  it('finds every cell again, at its first and its last pixel', () => {
    axis.starts.forEach((start, index) => {
      expect(indexAt(axis, start)).toBe(index);
      expect(indexAt(axis, start + axis.cell - 1)).toBe(index);
    });
  });

  it('gives a gap to the cell before it, and what is outside to the nearest', () => {
    expect(indexAt(axis, 32)).toBe(2);
    expect(indexAt(axis, -5)).toBe(0);
    expect(indexAt(axis, 9999)).toBe(63);
  });
});

describe('the width of a cell', () => {
  const of = (width: number, ratio = 1): number => cellWidth([group('x', 200)], width, ratio);
  it('fills the page', () => expect(of(1300)).toBe(6));
  it('is whole on the screen, whatever its ratio', () => expect(of(1300, 1.5)).toBe(9));
  it('has bounds', () => expect([of(100), of(9000)]).toEqual([3, 14]));
});

describe('a part of the matrix', () => {
  it('has the ids between two cells, in whichever order they were named', () => {
    expect(idsOf(GROUPS, { from: 2, to: 4 })).toEqual(['a2', 'b0', 'c0']);
    expect(idsOf(GROUPS, { from: 4, to: 2 })).toEqual(['a2', 'b0', 'c0']);
  });

  it('around a cell is its group', () => {
    expect(spanAround(GROUPS, 1, 40)).toEqual({ from: 0, to: 2 });
    expect(spanAround(GROUPS, 3, 40)).toEqual({ from: 3, to: 3 });
  });

  it('of a large group is around the cell, and within the group', () => {
    expect(spanAround(GROUPS, 4, 40)).toEqual({ from: 4, to: 43 });
    expect(spanAround(GROUPS, 34, 40)).toEqual({ from: 14, to: 53 });
    expect(spanAround(GROUPS, 63, 40)).toEqual({ from: 24, to: 63 });
  });
});
