import { expect, it } from 'vitest';
import { fibreFloorMs, greatCircleKm } from './geo';

const london = { latitude: 51.5074, longitude: -0.1278 };
const newYork = { latitude: 40.7128, longitude: -74.006 };

it('agrees with the published distance from London to New York', () => {
  expect(greatCircleKm(london, newYork)).toBeCloseTo(5570, -1);
  expect(greatCircleKm(newYork, london)).toBeCloseTo(greatCircleKm(london, newYork), 9);
});

it('is nothing to itself and half the earth to the antipodes', () => {
  expect(greatCircleKm(london, london)).toBe(0);
  expect(greatCircleKm({ latitude: 0, longitude: 0 }, { latitude: 0, longitude: 180 })).toBeCloseTo(20_015, 0);
});

it('counts both ways', () => expect(fibreFloorMs(1000)).toBe(10));
