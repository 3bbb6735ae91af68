/** Names on a map that do not lie on one another. */

import type { Size, Spot } from './geometry';

/** A name that found room. */
export interface Label {
  id: string;
  x: number;
  y: number;
  anchor: 'start' | 'end' | 'middle';
}

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Of a letter at the size of the map's names, in px: a bound, not a mean. */
const LETTER = 6.4;
const HALF_LINE = 7;
const GAP = 8;
const DOT = 4;

const overlap = (one: Box, other: Box): boolean =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;

/** Right of a dot, left of it, above, below. */
function choices({ id, x, y }: Spot, text: string): { label: Label; box: Box }[] {
  const width = text.length * LETTER;
  const box = (left: number, middle: number): Box => ({ left, right: left + width, top: middle - HALF_LINE, bottom: middle + HALF_LINE });
  return [
    { label: { id, x: x + GAP, y, anchor: 'start' }, box: box(x + GAP, y) },
    { label: { id, x: x - GAP, y, anchor: 'end' }, box: box(x - GAP - width, y) },
    { label: { id, x, y: y - GAP - 4, anchor: 'middle' }, box: box(x - width / 2, y - GAP - 4) },
    { label: { id, x, y: y + GAP + 4, anchor: 'middle' }, box: box(x - width / 2, y + GAP + 4) },
  ];
}

/** Places names beside their dots, the first ones first; a name for which there is no free room is left out. */
export function placeLabels(wanted: readonly { spot: Spot; text: string }[], spots: readonly Spot[], { width, height }: Size): Label[] {
  const taken: Box[] = spots.map(({ x, y }) => ({ left: x - DOT, right: x + DOT, top: y - DOT, bottom: y + DOT }));
  const labels: Label[] = [];
  for (const { spot, text } of wanted) {
    const free = choices(spot, text).find(
      ({ box }) => box.left >= 0 && box.right <= width && box.top >= 0 && box.bottom <= height && !taken.some((other) => overlap(box, other)),
    );
    if (free === undefined) continue;
    taken.push(free.box);
    labels.push(free.label);
  }
  return labels;
}
