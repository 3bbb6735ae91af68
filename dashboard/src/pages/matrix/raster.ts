/** Paints cells into pixels. A call for each of 40,000 cells to a canvas takes longer than a hand that waits. Pure. */

import { paints, type Measure, type Rgb, type Scheme } from '../../lib/colour';
import type { Look } from '../../lib/matrix';

/** Pixels as `ImageData` has them: red, green, blue and opacity, from the lowest byte up. */
export function packed([red, green, blue]: Rgb): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** Colours of the classes and of what marks them. */
export interface Palette {
  backgrounds: readonly number[];
  inks: readonly number[];
  hatch: number;
}

export function paletteOf(scheme: Scheme, measure: Measure, hatch: Rgb): Palette {
  const all = paints(scheme, measure);
  return { backgrounds: all.map(({ background }) => packed(background)), inks: all.map(({ text }) => packed(text)), hatch: packed(hatch) };
}

/** A marked cell needs room for its marks. */
const MARKED = 5;
/** Distance of the lines of the hatch. */
const HATCH = 3;

/** Paints one cell, whose upper left corner is at `left`, `top`, into pixels of rows that are `stride` long. */
export function paintCell(pixels: Uint32Array, stride: number, left: number, top: number, size: number, look: Look, { backgrounds, inks, hatch }: Palette): void {
  const { heat, lossy, stale, lowCount } = look;
  const colour = heat === null ? 0 : (backgrounds[heat] ?? 0);
  for (let y = 0; y < size; y += 1) {
    const start = (top + y) * stride + left;
    for (let x = 0; x < size; x += 1) pixels[start + x] = colour;
  }
  if (heat !== null && (size < MARKED || !(lossy || stale || lowCount))) return;
  const last = size - 1;
  const corner = lossy ? Math.max(2, Math.round(size / 3)) : 0;
  const isMark = (x: number, y: number): boolean =>
    last - x + y < corner || (lowCount && y === last && x % 2 === 0) || (stale && (x === 0 || y === 0 || x === last || y === last) && (x + y) % 3 === 0);
  for (let y = 0; y < size; y += 1)
    for (let x = 0; x < size; x += 1)
      if (heat === null ? (left + x + top + y) % HATCH === 0 : isMark(x, y)) pixels[(top + y) * stride + left + x] = heat === null ? hatch : (inks[heat] ?? 0);
}
