import { geoAzimuthalEquidistant, geoEqualEarth, geoPath, type GeoPermissibleObjects, type GeoProjection } from 'd3-geo';
import type { Position } from 'geojson';
import { describe, expect, it } from 'vitest';
import { greatCircleKm } from '../../lib/geo';
import { arcPath, arcPoints, hubProjection, nearestLine, nearestSpot, reachOf, ringRadius, spotAfter, worldProjection } from './geometry';
import type { Projection } from './projection';

const SIZE = { width: 800, height: 400 };
const DUBLIN = { latitude: 53.33, longitude: -6.25 };
const TOKYO = { latitude: 35.68, longitude: 139.65 };
const SYDNEY = { latitude: -33.87, longitude: 151.21 };
const OREGON = { latitude: 45.84, longitude: -119.7 };

describe('the map of the world', () => {
  const projection = worldProjection(SIZE);

  it('holds every place within its size', () => {
    for (const latitude of [-90, -45, 0, 45, 90])
      for (const longitude of [-180, -90, 0, 90, 180]) {
        const { x, y } = projection.pointOf({ latitude, longitude });
        expect(x).toBeGreaterThanOrEqual(0);
        expect(x).toBeLessThanOrEqual(SIZE.width);
        expect(y).toBeGreaterThanOrEqual(0);
        expect(y).toBeLessThanOrEqual(SIZE.height);
      }
  });

  it('draws across the Pacific in two pieces', () => {
    expect(arcPath(projection, TOKYO, OREGON).match(/M/g)).toHaveLength(2);
    expect(arcPath(projection, DUBLIN, TOKYO).match(/M/g)).toHaveLength(1);
  });

  it('finds no line between the edges where one leaves and comes back', () => {
    const lines = [{ id: 'pacific', points: arcPoints(projection, TOKYO, OREGON) }];
    const across = lines[0]?.points ?? [];
    const leap = across.findIndex((point, index) => Math.abs(point.x - (across[index + 1]?.x ?? point.x)) > SIZE.width / 2);
    expect(leap).toBeGreaterThan(0);
    const y = across[leap]?.y ?? 0;
    expect(nearestLine(lines, { x: SIZE.width / 2, y }, 5, SIZE.width)).toBeNull();
    expect(nearestLine(lines, across[0] ?? { x: 0, y: 0 }, 5, SIZE.width)).toBe('pacific');
  });
});

describe('the map around a hub', () => {
  const reach = reachOf(DUBLIN, [TOKYO, SYDNEY, OREGON]);
  const projection = hubProjection(DUBLIN, reach, SIZE);

  it('has the hub in its middle and the distances true', () => {
    expect(projection.pointOf(DUBLIN)).toEqual({ x: 400, y: 200 });
    for (const place of [TOKYO, SYDNEY, OREGON]) {
      const { x, y } = projection.pointOf(place);
      const radius = ringRadius(greatCircleKm(DUBLIN, place), reach, SIZE);
      expect(Math.hypot(x - 400, y - 200)).toBeCloseTo(radius ?? 0, 1);
    }
  });

  it('reaches all places and not much farther', () => {
    expect(reach).toBeGreaterThan(150);
    expect(reach).toBeLessThan(165);
    expect(ringRadius(20_000, reach, SIZE)).toBeNull();
    expect(reachOf(DUBLIN, [])).toBe(45);
    expect(reachOf(DUBLIN, [{ latitude: -53.33, longitude: 173.75 }])).toBe(179);
  });
});

describe('both maps agree with those that d3-geo makes', () => {
  const box: [[number, number], [number, number]] = [[8, 8], [SIZE.width - 8, SIZE.height - 8]];
  const world = geoEqualEarth().rotate([-11, 0]).fitExtent(box, { type: 'Sphere' });
  const hub = geoAzimuthalEquidistant()
    .rotate([-DUBLIN.longitude, -DUBLIN.latitude])
    .clipAngle(120)
    .scale((SIZE.height / 2 - 8) / ((120 * Math.PI) / 180))
    .translate([SIZE.width / 2, SIZE.height / 2]);
  const maps: [string, Projection, GeoProjection][] = [
    ['world', worldProjection(SIZE), world],
    ['hub', hubProjection(DUBLIN, 120, SIZE), hub],
  ];
  /** Around Dublin, across the edge of the world and out of the hub's reach; wound as d3-geo wants it. */
  const land: Position[][] = [[[-170, -80], [-170, 60], [170, 60], [170, -80], [-170, -80]]];
  const shapes: GeoPermissibleObjects[] = [{ type: 'Sphere' }, { type: 'Polygon', coordinates: land }, { type: 'LineString', coordinates: [[139.65, 35.68], [-119.7, 45.84]] }];

  /** Length of what is drawn and the box around it: the same however many points a curve is drawn with. */
  function measured(path: string): number[] {
    const rings = path.split('M').slice(1).map((ring) => (ring.match(/-?[\d.]+/g) ?? []).map(Number));
    const closed = path.includes('Z');
    const length = (ring: readonly number[]): number =>
      ring.reduce((sum, x, at) => {
        const next = at + 2 < ring.length ? at + 2 : closed ? 0 : at;
        return at % 2 === 1 ? sum : sum + Math.hypot((ring[next] ?? 0) - x, (ring[next + 1] ?? 0) - (ring[at + 1] ?? 0));
      }, 0);
    const [xs, ys] = [0, 1].map((odd) => rings.flat().filter((_, at) => at % 2 === odd)) as [number[], number[]];
    return [rings.reduce((sum, ring) => sum + length(ring), 0) / 4, Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys), rings.length];
  }

  it.each(maps)('%s: where places are', (_, ours, theirs) => {
    for (const { longitude, latitude } of [DUBLIN, TOKYO, SYDNEY, OREGON]) {
      const { x, y } = ours.pointOf({ longitude, latitude });
      const [right, down] = theirs([longitude, latitude]) ?? [NaN, NaN];
      expect(Math.hypot(x - right, y - down)).toBeLessThan(0.01);
    }
  });

  it.each(maps)('%s: how shapes are cut and bent', (_, ours, theirs) => {
    for (const shape of shapes) {
      const wanted = measured(geoPath(theirs.precision(0.1)).digits(1)(shape) ?? '');
      measured(ours.pathOf(shape)).forEach((number, index) => expect(Math.abs(number - (wanted[index] ?? NaN)), `${shape.type} ${index}`).toBeLessThan(1));
    }
  });
});

describe('what is near', () => {
  const spots = [
    { id: 'west', x: 10, y: 100 },
    { id: 'middle', x: 50, y: 50 },
    { id: 'north', x: 55, y: 10 },
    { id: 'east', x: 90, y: 60 },
  ];

  it('is the nearest dot within reach', () => {
    expect(nearestSpot(spots, { x: 52, y: 48 }, 12)).toBe('middle');
    expect(nearestSpot(spots, { x: 30, y: 75 }, 12)).toBeNull();
  });

  it('is reached by arrow keys, all of it by left and right', () => {
    const passed: (string | null)[] = [];
    for (let id: string | null = spotAfter(spots, null, 'Home'); passed.at(-1) !== id; id = spotAfter(spots, id, 'ArrowRight')) passed.push(id);
    expect(passed).toEqual(['west', 'middle', 'north', 'east']);
    expect(spotAfter(spots, 'east', 'ArrowRight')).toBe('east');
    expect(spotAfter(spots, 'west', 'ArrowLeft')).toBe('west');
    expect(spotAfter(spots, 'west', 'End')).toBe('east');
    expect(spotAfter(spots, 'middle', 'ArrowUp')).toBe('north');
    expect(spotAfter(spots, 'north', 'ArrowDown')).toBe('middle');
    expect(spotAfter(spots, 'north', 'ArrowUp')).toBe('north');
    expect(spotAfter(spots, 'north', 'Enter')).toBeNull();
  });
});
