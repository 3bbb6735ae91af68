/** Distances, and the time that light needs for them. */

export interface Coordinates {
  /** Degrees north. */
  latitude: number;
  /** Degrees east. */
  longitude: number;
}

/** Mean radius of the earth (IUGG). */
const EARTH_RADIUS_KM = 6371.0088;

/** Speed of light in fibre, km per ms: about two thirds of that in vacuum. */
export const FIBRE_KM_PER_MS = 200;

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Great-circle distance in km (haversine). */
export function greatCircleKm(one: Coordinates, other: Coordinates): number {
  const [north, south] = [radians(one.latitude), radians(other.latitude)];
  const half =
    Math.sin((south - north) / 2) ** 2 +
    Math.cos(north) * Math.cos(south) * Math.sin(radians(other.longitude - one.longitude) / 2) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(half)));
}

/** The least round-trip time, in ms, that a fibre along the great circle would allow. */
export function fibreFloorMs(distanceKm: number): number {
  return (2 * distanceKm) / FIBRE_KM_PER_MS;
}
