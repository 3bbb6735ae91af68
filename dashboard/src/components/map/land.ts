/** The outline of the continents, asked for once, as a file of its own beside the code; `vite.land.ts` makes it. */

import type { MultiPolygon, Position } from 'geojson';

let asked: Promise<MultiPolygon> | null = null;

async function load(): Promise<MultiPolygon> {
  const { polygons, steps } = await import('virtual:land');
  const ring = (deltas: readonly number[]): Position[] => {
    const points: Position[] = [];
    let [x, y] = [0, 0];
    for (let index = 0; index < deltas.length; index += 2) {
      x += deltas[index] ?? 0;
      y += deltas[index + 1] ?? 0;
      points.push([x / steps, y / steps]);
    }
    return [...points, ...points.slice(0, 1)];
  };
  return { type: 'MultiPolygon', coordinates: polygons.map((polygon) => polygon.map(ring)) };
}

/** The outline; null where it cannot be had, for a map without it still shows every number. The next map tries again. */
export async function getLand(): Promise<MultiPolygon | null> {
  asked ??= load();
  try {
    return await asked;
  } catch {
    asked = null;
    return null;
  }
}
