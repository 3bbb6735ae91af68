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

/** Whether a pixel of a cell belongs to a mark. */
function isMark(look: Look, x: number, y: number, size: number): boolean {
  const last = size - 1;
  const corner = Math.max(2, Math.round(size / 3));
  if (look.lossy && last - x + y < corner) return true;
  if (look.lowCount && y === last && x % 2 === 0) return true;
  return look.stale && (x === 0 || y === 0 || x === last || y === last) && (x + y) % 3 === 0;
}

/** Paints one cell, whose upper left corner is at `left`, `top`, into pixels of rows that are `stride` long. */
export function paintCell(pixels: Uint32Array, stride: number, left: number, top: number, size: number, look: Look, palette: Palette): void {
  const { heat } = look;
  const marked = heat !== null && size >= MARKED && (look.lossy || look.stale || look.lowCount);
  const background = heat === null ? 0 : (palette.backgrounds[heat] ?? 0);
  const ink = heat === null ? 0 : (palette.inks[heat] ?? 0);
  for (let y = 0; y < size; y += 1) {
    const start = (top + y) * stride + left;
    for (let x = 0; x < size; x += 1) {
      pixels[start + x] = background;
      if (heat !== null && !marked) continue;
      if (heat === null) {
        if ((left + x + top + y) % HATCH === 0) pixels[start + x] = palette.hatch;
      } else if (isMark(look, x, y, size)) pixels[start + x] = ink;
    }
  }
}
