/** The outline of the continents (Natural Earth, 1:110 million), asked for once, as a file of its own beside the code. */

import type { MultiPolygon, Polygon } from 'geojson';
import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import source from 'world-atlas/land-110m.json?url';

export type Land = { type: 'GeometryCollection'; geometries: (Polygon | MultiPolygon)[] };

let asked: Promise<Land> | null = null;

async function load(): Promise<Land> {
  const response = await fetch(source);
  if (!response.ok) throw new Error(`The outline of the continents could not be loaded (${response.status})`);
  const topology = (await response.json()) as Topology<{ land: GeometryCollection }>;
  const { features } = feature(topology, topology.objects.land);
  return { type: 'GeometryCollection', geometries: features.map(({ geometry }) => geometry as Polygon | MultiPolygon) };
}

/** The outline; null where it cannot be had, for a map without it still shows every number. The next map tries again. */
export async function getLand(): Promise<Land | null> {
  asked ??= load();
  try {
    return await asked;
  } catch {
    asked = null;
    return null;
  }
}
