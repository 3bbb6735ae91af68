/** The outline of the continents, made smaller than Natural Earth's 1:110 million for maps of some thousand pixels. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { MultiPolygon, Polygon, Position } from 'geojson';
import { feature } from 'topojson-client';
import { presimplify, simplify, sphericalTriangleArea } from 'topojson-simplify';
import type { GeometryCollection, Topology } from 'topojson-specification';
import type { Plugin } from 'vite';
import { packed } from './src/components/map/outline.ts';

const NAME = 'virtual:land';
/** Points that make a smaller triangle with their neighbours are left out; steradians, about a pixel of a map of the world. */
const LEAST_AREA = 3e-5;

function outline(): Position[][][] {
  const path = createRequire(import.meta.url).resolve('world-atlas/land-110m.json');
  const world = JSON.parse(readFileSync(path, 'utf8')) as Topology<{ land: GeometryCollection<object> }>;
  const simple = simplify(presimplify(world, sphericalTriangleArea), LEAST_AREA);
  const { features } = feature(simple, simple.objects.land);
  return features
    .map(({ geometry }) => geometry as Polygon | MultiPolygon)
    .flatMap((geometry) => (geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates));
}

/** Offers `virtual:land`: the continents as `unpacked` reads them. */
export function land(): Plugin {
  return {
    name: 'cloudping-land',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : null),
    load: (id) => (id === `\0${NAME}` ? `export default ${JSON.stringify(packed(outline()))};` : null),
  };
}
