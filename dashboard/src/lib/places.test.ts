import { describe, expect, it } from 'vitest';
import type { Region } from '../api';
import { Atlas, countryName, groupByContinent, matches } from './places';

function region(id: string, city: string, country: string, continent: string, longitude: number): Region {
  return { id, provider: 'aws', partition: 'aws', name: `Name of ${city}`, city, country, continent, latitude: 0, longitude, vantage: true };
}

const atlas = new Atlas({
  simulated: false,
  regions: [
    region('eu-central-1', 'Frankfurt', 'DE', 'EU', 8.7),
    region('eu-west-1', 'Dublin', 'IE', 'EU', -6.3),
    region('us-east-1', 'Ashburn', 'US', 'NA', -77.5),
    region('xx-moon-1', 'Tranquility', 'ZZ', 'LU', 23),
  ],
  vantages: [
    { id: 'local', region: null },
    { id: 'office', region: 'eu-west-1' },
  ],
});

describe('search', () => {
  const frankfurt = atlas.place('eu-central-1');
  it.each(['', '  ', 'eu-', 'FRANKFURT', 'germany', 'de', 'tokyo, frank', 'aws'])('finds by %o', (filter) =>
    expect(matches(frankfurt, filter)).toBe(true),
  );
  it.each(['tokyo', 'ireland', 'us-, japan'])('does not find by %o', (filter) => expect(matches(frankfurt, filter)).toBe(false));
});

describe('places', () => {
  it('are known by vantage point too', () => {
    expect(atlas.place('office').city).toBe('Dublin');
    expect(atlas.place('local').region).toBeNull();
  });

  it('that measure are shown although an answer lacks them', () => {
    expect(atlas.sources(['local']).map(({ id }) => id)).toEqual(['local', 'office']);
    expect(atlas.targets(['new-1']).map(({ id }) => id)).toContain('us-east-1');
    const idle = new Atlas({ simulated: false, regions: [{ ...region('a', 'A', 'US', 'NA', 0), vantage: false }], vantages: [] });
    expect(idle.targets([])).toEqual([]);
  });

  it('exist for unknown ids', () => expect(atlas.place('new-1')).toMatchObject({ id: 'new-1', region: null, city: '' }));
});

it('groups by continent from west to east, vantage points first, unknown continents last', () => {
  const ids = ['xx-moon-1', 'eu-central-1', 'us-east-1', 'eu-west-1', 'local'];
  const groups = groupByContinent(ids.map((id) => atlas.place(id)));
  expect(groups.map(({ name, places }) => [name, places.map(({ id }) => id)])).toEqual([
    ['Vantage points', ['local']],
    ['North America', ['us-east-1']],
    ['Europe', ['eu-west-1', 'eu-central-1']],
    ['LU', ['xx-moon-1']],
  ]);
});

it('names countries, and leaves alone what is no country code', () => {
  expect(countryName('DE')).toBe('Germany');
  expect(countryName('not a code')).toBe('not a code');
});
