import { describe, expect, it } from 'vitest';
import { Atlas, type Group } from '../../lib/places';
import { measuresOf, placed } from './picture';

const atlas = new Atlas({ simulated: true, regions: [], vantages: [] });
function group(code: string, count: number): Group {
  return { code, name: code, places: Array.from({ length: count }, (_, index) => atlas.place(`${code}${index}`)) };
}

describe('a picture', () => {
  it('has its cells side by side, groups apart', () => {
    expect(placed([group('a', 2), group('b', 1)], 10, 20).map(({ place, at }) => [place.id, at])).toEqual([['a0', 10], ['a1', 30], ['b0', 54]]);
  });

  it('ends after its last cell', () => {
    const groups = [group('a', 30), group('b', 10)];
    const { left, top, width, height, cell } = measuresOf(groups, groups);
    expect(placed(groups, left, cell[0]).at(-1)!.at + cell[0]).toBeLessThanOrEqual(width);
    expect(placed(groups, top, cell[1]).at(-1)!.at + cell[1]).toBeLessThan(height);
  });

  it('of 205 regions has no numbers, and a size that browsers can draw', () => {
    const groups = [group('a', 205)];
    const { width, height, cell } = measuresOf(groups, groups);
    expect(cell).toEqual([6, 6]);
    expect(Math.max(width, height) * 2).toBeLessThan(4096);
  });
});
