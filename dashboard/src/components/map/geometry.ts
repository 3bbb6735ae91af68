/** Where things are on a map, and what is near a point of it. Pure; no DOM. */

import { geoAzimuthalEquidistantRaw, geoClipAntimeridian, geoClipCircle, geoEqualEarthRaw, geoInterpolate, type GeoRawProjection } from 'd3-geo';
import { greatCircleKm, type Coordinates } from '../../lib/geo';
import { lonLat, projection, type Point, type Projection } from './projection';

export interface Size {
  width: number;
  height: number;
}

// Their types say that these make the functions which they are.
const equalEarth = geoEqualEarthRaw as unknown as GeoRawProjection;
const azimuthal = geoAzimuthalEquidistantRaw as unknown as GeoRawProjection;

/** Room around the map for marks that stand on its edge. */
const MARGIN = 8;
/** The meridian in the middle, in degrees, so that the left and right edge cut no land but the ice. */
const MIDDLE = 11;
/** Steps along a great circle for telling what is near it. */
const STEPS = 32;
/** Kilometres in a degree of a great circle. */
const KM_PER_DEGREE = greatCircleKm({ latitude: 0, longitude: 0 }, { latitude: 1, longitude: 0 });

/** The whole world in true proportion of areas. */
export function worldProjection({ width, height }: Size): Projection {
  const [right] = equalEarth(Math.PI, 0);
  const [, top] = equalEarth(0, Math.PI / 2);
  return projection({
    raw: equalEarth,
    centre: { latitude: 0, longitude: MIDDLE },
    clip: geoClipAntimeridian,
    scale: Math.max(1, Math.min((width / 2 - MARGIN) / right, (height / 2 - MARGIN) / top)),
    middle: { x: width / 2, y: height / 2 },
  });
}

/** How far from a hub the map must reach to show all places, in degrees. Beyond, it would only show smeared land. */
export function reachOf(hub: Coordinates, places: readonly Coordinates[]): number {
  const farthest = Math.max(0, ...places.map((place) => greatCircleKm(hub, place) / KM_PER_DEGREE));
  return Math.min(179, Math.max(45, farthest + 5));
}

/** The world around a hub: directions and distances from it are true, so that every spoke is a straight line of its length. */
export function hubProjection(hub: Coordinates, reach: number, { width, height }: Size): Projection {
  const radius = Math.max(1, Math.min(width, height) / 2 - MARGIN);
  const angle = (reach * Math.PI) / 180;
  return projection({
    raw: azimuthal,
    centre: hub,
    clip: geoClipCircle(angle),
    scale: radius / angle,
    middle: { x: width / 2, y: height / 2 },
  });
}

/** Radius of the circle of all places at a distance from the hub, in px; null where it lies outside the map. */
export function ringRadius(km: number, reach: number, { width, height }: Size): number | null {
  const share = km / KM_PER_DEGREE / reach;
  return share > 1 ? null : share * Math.max(1, Math.min(width, height) / 2 - MARGIN);
}

/** The great circle between two places as the `d` of a path. */
export function arcPath({ pathOf }: Projection, one: Coordinates, other: Coordinates): string {
  return pathOf({ type: 'LineString', coordinates: [lonLat(one), lonLat(other)] });
}

/** Points along the great circle on the map. */
export function arcPoints({ pointOf }: Projection, one: Coordinates, other: Coordinates): Point[] {
  const along = geoInterpolate(lonLat(one), lonLat(other));
  return Array.from({ length: STEPS + 1 }, (_, step) => along(step / STEPS)).map(([longitude, latitude]) => pointOf({ longitude, latitude }));
}

/** Distance of a point from the straight piece between two others. */
function toPiece(point: Point, from: Point, to: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  const share = length === 0 ? 0 : Math.min(1, Math.max(0, ((point.x - from.x) * dx + (point.y - from.y) * dy) / length));
  return Math.hypot(point.x - from.x - share * dx, point.y - from.y - share * dy);
}

/** The id of the line nearest to a point, at most `within` px from it. A piece that crosses the whole map is where a line leaves at one edge and comes back at the other. */
export function nearestLine(lines: readonly { id: string; points: readonly Point[] }[], point: Point, within: number, width: number): string | null {
  let [best, found]: [number, string | null] = [within, null];
  for (const { id, points } of lines) {
    for (let index = 1; index < points.length; index += 1) {
      const [from, to] = [points[index - 1], points[index]];
      if (from === undefined || to === undefined || Math.abs(from.x - to.x) > width / 2) continue;
      const distance = toPiece(point, from, to);
      if (distance < best) [best, found] = [distance, id];
    }
  }
  return found;
}

/** A place as the map has it. */
export interface Spot extends Point {
  id: string;
}

/** The id of the place nearest to a point, at most `within` px from it. */
export function nearestSpot(spots: readonly Spot[], point: Point, within: number): string | null {
  const distance = (spot: Spot): number => Math.hypot(spot.x - point.x, spot.y - point.y);
  const near = spots.filter((spot) => distance(spot) <= within).sort((one, other) => distance(one) - distance(other));
  return near[0]?.id ?? null;
}

/**
 * The place that an arrow key leads to. Left and right pass through all places from west to east, so that each can be
 * reached; up and down go to the nearest one that lies more above or below than beside. Null for other keys.
 */
export function spotAfter(spots: readonly Spot[], id: string | null, key: string): string | null {
  const order = [...spots].sort((one, other) => one.x - other.x || one.y - other.y);
  const here = order.find((spot) => spot.id === id);
  const at = here === undefined ? -1 : order.indexOf(here);
  if (key === 'Home') return order[0]?.id ?? null;
  if (key === 'End') return order.at(-1)?.id ?? null;
  if (key === 'ArrowRight') return (order[at + 1] ?? order.at(-1))?.id ?? null;
  if (key === 'ArrowLeft') return (order[at - 1] ?? order[0])?.id ?? null;
  if ((key !== 'ArrowUp' && key !== 'ArrowDown') || here === undefined) return null;
  const sign = key === 'ArrowUp' ? -1 : 1;
  const beyond = order.filter((spot) => sign * (spot.y - here.y) > Math.abs(spot.x - here.x));
  const distance = (spot: Spot): number => Math.hypot(spot.x - here.x, spot.y - here.y);
  return beyond.sort((one, other) => distance(one) - distance(other))[0]?.id ?? here.id;
}
