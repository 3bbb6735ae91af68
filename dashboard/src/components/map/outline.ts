/**
 * Outlines as text: steps from point to point, longitude and latitude by turns, each step in as few characters as it needs (as in an
 * "encoded polyline": five bits a character, the least first, 32 added where more follow, 63 added to all; the sign is the lowest bit).
 * A space ends a ring, a line break a polygon.
 */

import type { Position } from 'geojson';

/** Steps in a degree. */
const STEPS = 5;

function written(step: number): string {
  let text = '';
  let rest = step < 0 ? ~(step << 1) : step << 1;
  for (; rest >= 32; rest >>= 5) text += String.fromCharCode((rest & 31) + 32 + 63);
  return text + String.fromCharCode(rest + 63);
}

/** Polygons in degrees as text, rounded to the steps; rings that have no area then are left out. */
export function packed(polygons: readonly (readonly Position[])[][]): string {
  let [fromX, fromY] = [0, 0];
  const ring = (points: readonly Position[]): string => {
    const rounded = points.map(([longitude = 0, latitude = 0]) => [Math.round(longitude * STEPS), Math.round(latitude * STEPS)] as const);
    const next = (index: number): readonly [number, number] | undefined => rounded[(index + 1) % rounded.length];
    const kept = rounded.filter(([x, y], index) => x !== next(index)?.[0] || y !== next(index)?.[1]);
    if (kept.length < 3) return '';
    return kept
      .map(([x, y]) => {
        const text = written(x - fromX) + written(y - fromY);
        [fromX, fromY] = [x, y];
        return text;
      })
      .join('');
  };
  const texts = polygons.map((rings) => rings.map(ring).filter((text) => text !== ''));
  return texts.filter((rings) => rings.length > 0).map((rings) => rings.join(' ')).join('\n');
}

/** Reads what `packed` wrote: closed rings in degrees. */
export function unpacked(text: string): Position[][][] {
  let [x, y] = [0, 0];
  const ring = (text: string): Position[] => {
    let at = 0;
    const step = (): number => {
      let value = 0;
      for (let shift = 0, more = true; more; shift += 5, at += 1) {
        const bits = text.charCodeAt(at) - 63;
        more = bits >= 32;
        value |= (bits & 31) << shift;
      }
      return value & 1 ? ~(value >> 1) : value >> 1;
    };
    const points: Position[] = [];
    while (at < text.length) {
      x += step();
      y += step();
      points.push([x / STEPS, y / STEPS]);
    }
    return [...points, ...points.slice(0, 1)];
  };
  return text.split('\n').map((polygon) => polygon.split(' ').map(ring));
}
