import { describe, expect, it } from 'vitest';
import { scaled, stripOf, stripSays } from './strip';

const dot = (delta_ms: number, exceeds_noise = false): { delta_ms: number; exceeds_noise: boolean } => ({ delta_ms, exceeds_noise });
const places = (path: string): [number, number][] => [...path.matchAll(/M(\S+) (\S+)h0/g)].map(([, x, y]) => [Number(x), Number(y)]);

describe('the axis', () => {
  it('is the same either way and grows all along', () => {
    expect(scaled(-5)).toBe(-scaled(5));
    expect(scaled(0)).toBe(0);
    expect(scaled(10) - scaled(1)).toBeCloseTo(scaled(100) - scaled(10), 1);
  });

  it('has its ticks as far as the numbers go', () => {
    expect(stripOf([dot(15), dot(-0.2)], 300, 60).ticks.map(({ ms }) => ms)).toEqual([-10, -1, -0.1, 0, 0.1, 1, 10]);
    expect(stripOf([], 300, 60).ticks.find(({ ms }) => ms === 0)?.x).toBe(150);
  });
});

describe('the dots', () => {
  it('are all there, apart by whether chance explains them', () => {
    const { beyond, within } = stripOf([dot(15, true), dot(0), dot(0), dot(-3)], 300, 60);
    expect(places(beyond)).toHaveLength(1);
    expect(places(within)).toHaveLength(3);
  });

  it('stay in the strip however many there are', () => {
    const { within } = stripOf(Array.from({ length: 1482 }, (_, index) => dot((index % 3) * 20 - 20)), 300, 60);
    for (const [x, y] of places(within)) {
      expect(x).toBeGreaterThan(0);
      expect(x).toBeLessThan(300);
      expect(y).toBeGreaterThan(0);
      expect(y).toBeLessThan(60);
    }
  });
});

it('says the same in words', () => {
  const signed = (ms: number): string => String(ms);
  expect(stripSays([], signed)).toContain('No pair');
  expect(stripSays([dot(15, true), dot(-2, true), dot(0.1)], signed)).toBe(
    '3 pairs, from -2 to 15 ms; 2 differ by more than chance explains: 1 slower, 1 faster on side B.',
  );
});
