/** The outline of the continents, asked for once, as a file of its own beside the code; `vite.land.ts` makes it. */

import type { MultiPolygon } from 'geojson';
import { unpacked } from './outline';

let asked: Promise<MultiPolygon> | null = null;

async function load(): Promise<MultiPolygon> {
  const { default: text } = await import('virtual:land');
  return { type: 'MultiPolygon', coordinates: unpacked(text) };
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
