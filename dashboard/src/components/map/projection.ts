/** From the globe to the page: the parts of d3-geo that clip on the sphere, without those that these maps have no use for. */

import { geoInterpolate, geoRotation, geoStream, geoTransform, type GeoPermissibleObjects, type GeoRawProjection, type GeoStream } from 'd3-geo';
import { greatCircleKm, type Coordinates } from '../../lib/geo';

export interface Point {
  x: number;
  y: number;
}

/** What a projection is made of. */
export interface Shape {
  /** Radians of longitude and latitude to the plane, y upwards. */
  raw: GeoRawProjection;
  /** What is in the middle. */
  centre: Coordinates;
  /** Leaves out what the map does not show, in radians around the middle. */
  clip: (stream: GeoStream) => GeoStream;
  /** Px in a unit of the plane. */
  scale: number;
  /** Where the middle is on the page. */
  middle: Point;
}

/** A map that knows where things are on it, in px. */
export interface Projection {
  pointOf: (place: Coordinates) => Point;
  /** The `d` of a path; lines between points are great circles. */
  pathOf: (object: GeoPermissibleObjects) => string;
}

const DEGREE = Math.PI / 180;
/** The longest piece of a great circle that is drawn as a straight line. */
const PIECE_KM = 280;

export const lonLat = ({ longitude, latitude }: Coordinates): [number, number] => [longitude, latitude];

export function projection({ raw, centre, clip, scale, middle }: Shape): Projection {
  const rotate = geoRotation([-centre.longitude, -centre.latitude]);
  const placed = (longitude: number, latitude: number): Point => {
    const [x, y] = raw(longitude * DEGREE, latitude * DEGREE);
    return { x: middle.x + scale * x, y: middle.y - scale * y };
  };
  return {
    pointOf: (place) => placed(...rotate(lonLat(place))),
    pathOf: (object) => {
      const pen = new Pen(placed);
      const turned = geoTransform({
        point(longitude, latitude) {
          const [x, y] = rotate([longitude, latitude]);
          this.stream.point(x * DEGREE, y * DEGREE);
        },
      });
      geoStream(object, turned.stream(clip(pen)));
      return pen.path;
    },
  };
}

/** Writes what comes out of the clipping as a path. */
class Pen implements GeoStream {
  path = '';
  #first: Coordinates | null = null;
  #last: Coordinates | null = null;
  #closes = false;
  readonly #placed: (longitude: number, latitude: number) => Point;

  constructor(placed: (longitude: number, latitude: number) => Point) {
    this.#placed = placed;
  }

  point(longitude: number, latitude: number): void {
    this.#to({ longitude: longitude / DEGREE, latitude: latitude / DEGREE });
  }

  lineStart(): void {
    this.#first = this.#last = null;
  }

  lineEnd(): void {
    if (!this.#closes || this.#first === null) return;
    this.#to(this.#first);
    this.path += 'Z';
  }

  polygonStart(): void {
    this.#closes = true;
  }

  polygonEnd(): void {
    this.#closes = false;
  }

  #to(next: Coordinates): void {
    if (this.#last === null) {
      this.#first = next;
      this.#write('M', lonLat(next));
    } else {
      const along = geoInterpolate(lonLat(this.#last), lonLat(next));
      const pieces = Math.ceil(greatCircleKm(this.#last, next) / PIECE_KM);
      for (let piece = 1; piece < pieces; piece += 1) this.#write('L', along(piece / pieces));
      this.#write('L', lonLat(next));
    }
    this.#last = next;
  }

  #write(command: string, [longitude, latitude]: [number, number]): void {
    const { x, y } = this.#placed(longitude, latitude);
    this.path += `${command}${Math.round(x * 10) / 10},${Math.round(y * 10) / 10}`;
  }
}
