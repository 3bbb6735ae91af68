import { describe, expect, it } from 'vitest';
import type { Region } from '../../api';
import { LOSSY_DASH } from '../../components/map/lines';
import { Atlas } from '../../lib/places';
import type { Ranked } from './ranking';
import { apart, spokesOf, spotsOf } from './spokes';

function region(id: string, latitude: number, longitude: number): Region {
  return { id, provider: 'aws', partition: 'aws', name: id, city: `${id} city`, country: 'DE', continent: 'EU', latitude, longitude, vantage: true };
}

const atlas = new Atlas({ simulated: true, regions: [region('a', 0, 0), region('b', 0, 10), region('c', 10, 0), region('d', 5, 5)], vantages: [] });
const heat = Array.from({ length: 16 }, (_, index) => `class ${index}`);

function ranked(id: string, numbers: Record<string, number>, lost = 0): Ranked {
  const members = Object.entries(numbers).map(([id, rtt_ms]) => ({ id, rtt_ms, count: 100 - lost, sent: 100, lost, low_count: false }));
  const all = Object.values(numbers);
  return { rank: 1, id, provider: 'aws', max_ms: Math.max(...all), mean_ms: all[0] ?? 0, count: 100 - lost, low_count: false, loss: lost / 100, members };
}

describe('lines', () => {
  it('lead from one region to all that are ranked and known', () => {
    const spokes = spokesOf([ranked('b', { a: 12 }), ranked('c', { a: 25 }, 3), ranked('laptop', { a: 40 })], ['a'], null, atlas, heat);
    expect(spokes.map(({ id, stroke }) => [id, stroke])).toEqual([['a/b', 'class 1'], ['a/c', 'class 2']]);
    expect(spokes[1]?.dash).toBe(LOSSY_DASH);
  });

  it('lead from the best of several to each of them, or from the one that is looked at', () => {
    const ranking = [ranked('c', { a: 12, b: 25 }), ranked('d', { a: 30, b: 8 })];
    const ids = (looked: string | null): string[] => spokesOf(ranking, ['a', 'b'], looked, atlas, heat).map(({ id }) => id);
    expect(ids(null)).toEqual(['a/c', 'b/c']);
    expect(ids('d')).toEqual(['a/d', 'b/d']);
    expect(ids('a')).toEqual([]);
  });
});

it('dots say what they stand for', () => {
  const spots = spotsOf({ ranking: [ranked('b', { a: 12 })], incomplete: ['c', 'laptop'] }, ['a'], 'max', atlas, heat);
  expect(spots.map(({ id, silent, chosen }) => [id, silent, chosen])).toEqual([['a', false, true], ['b', false, false], ['c', true, false]]);
  expect(spots.map(({ label }) => label)).toEqual(['a, a city: asked for', 'b, b city: 12.0 ms, rank 1', 'c, c city: no number']);
});

describe('a distance', () => {
  it('gives the multiple of what light in fibre needs', () => {
    const { km, multiple } = apart({ latitude: 0, longitude: 0 }, { latitude: 0, longitude: 90 }, 200.15);
    expect(km).toBeCloseTo(10_007.5, 0);
    expect(multiple).toBeCloseTo(2, 2);
  });

  it('gives none within a city or without a number', () => {
    expect(apart({ latitude: 0, longitude: 0 }, { latitude: 0, longitude: 0.5 }, 1).multiple).toBeNull();
    expect(apart({ latitude: 0, longitude: 0 }, { latitude: 0, longitude: 90 }, null).multiple).toBeNull();
    expect(apart(null, { latitude: 0, longitude: 0 }, 1)).toEqual({ km: null, multiple: null });
  });
});
