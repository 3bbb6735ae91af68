import { expect, it } from 'vitest';
import { placeLabels } from './labels';

const SIZE = { width: 300, height: 100 };
const named = (id: string, x: number, y: number): { spot: { id: string; x: number; y: number }; text: string } => ({ spot: { id, x, y }, text: id });

it('puts names beside their dots and turns them round at the edge', () => {
  const wanted = [named('eu-west-1', 100, 50), named('ap-east-1', 290, 20)];
  expect(placeLabels(wanted, wanted.map(({ spot }) => spot), SIZE)).toEqual([
    { id: 'eu-west-1', x: 108, y: 50, anchor: 'start' },
    { id: 'ap-east-1', x: 282, y: 20, anchor: 'end' },
  ]);
});

it('leaves out what would lie on another name or dot, the last ones first', () => {
  const crowd = Array.from({ length: 12 }, (_, index) => named(`region-${index}`, 100 + 3 * index, 50));
  const placed = placeLabels(crowd, crowd.map(({ spot }) => spot), SIZE).map(({ id }) => id);
  expect(placed).toContain('region-0');
  expect(placed.length).toBeLessThan(12);
});
