/** The outline of the continents, made smaller than Natural Earth's 1:110 million for maps of some thousand pixels. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { MultiPolygon, Polygon } from 'geojson';
import { feature } from 'topojson-client';
import { presimplify, simplify, sphericalTriangleArea } from 'topojson-simplify';
import type { GeometryCollection, Topology } from 'topojson-specification';
import type { Plugin } from 'vite';

const NAME = 'virtual:land';
/** Points that make a smaller triangle with their neighbours are left out; steradians, less than a pixel of a map of the world. */
const LEAST_AREA = 2e-5;
/** Steps in a degree. */
const STEPS = 10;

/** A ring as steps from point to point, x and y by turns; empty where it has no area. */
function deltas(ring: readonly (readonly number[])[]): number[] {
  const steps: number[] = [];
  let [fromX, fromY] = [0, 0];
  // The last point is the first again.
  for (const [longitude = 0, latitude = 0] of ring.slice(0, -1)) {
    const [x, y] = [Math.round(longitude * STEPS), Math.round(latitude * STEPS)];
    if (steps.length > 0 && x === fromX && y === fromY) continue;
    steps.push(x - fromX, y - fromY);
    [fromX, fromY] = [x, y];
  }
  return steps.length < 6 ? [] : steps;
}

function outline(): number[][][] {
  const path = createRequire(import.meta.url).resolve('world-atlas/land-110m.json');
  const world = JSON.parse(readFileSync(path, 'utf8')) as Topology<{ land: GeometryCollection<object> }>;
  const simple = simplify(presimplify(world, sphericalTriangleArea), LEAST_AREA);
  const { features } = feature(simple, simple.objects.land);
  return features
    .map(({ geometry }) => geometry as Polygon | MultiPolygon)
    .flatMap((geometry) => (geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates))
    .map((polygon) => polygon.map(deltas).filter((ring) => ring.length > 0))
    .filter((polygon) => polygon.length > 0);
}

/** Offers `virtual:land`: the steps in a degree, and polygons of rings of steps. */
export function land(): Plugin {
  return {
    name: 'cloudping-land',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : null),
    load: (id) => (id === `\0${NAME}` ? `export const steps = ${STEPS};\nexport const polygons = ${JSON.stringify(outline())};` : null),
  };
}
