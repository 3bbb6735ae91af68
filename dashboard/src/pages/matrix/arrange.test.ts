import { describe, expect, it } from 'vitest';
import { Atlas, groupByContinent, type Place } from '../../lib/places';
import { arranged, extentOf, nameOrder, nearOrder, shown, withGroup, withPlace } from './arrange';

const base = { partition: 'p', name: '', country: 'XX', vantage: true, latitude: 0, longitude: 0 };
const atlas = new Atlas({
  simulated: true,
  vantages: [{ id: 'laptop', region: null }],
  regions: [
    { ...base, id: 'eu-b', city: 'Bern', continent: 'EU', provider: 'gcp' },
    { ...base, id: 'eu-a', city: 'Athens', continent: 'EU', provider: 'aws' },
    { ...base, id: 'us-a', city: 'Austin', continent: 'NA', provider: 'aws' },
  ],
});
const ALL = ['laptop', 'eu-b', 'eu-a', 'us-a'].map((id) => atlas.place(id));
const ids = (places: readonly Place[]): string[] => places.map(({ id }) => id);
const europe = groupByContinent(ALL).find(({ code }) => code === 'EU')!;
const NONE = { hide: [], without: [] };

describe('what an axis shows', () => {
  it('is everything at first', () => expect(ids(shown(ALL, NONE, '', []))).toEqual(ids(ALL)));
  it('lacks hidden places, groups and providers', () => {
    expect(ids(shown(ALL, { hide: ['eu-a'], without: [] }, '', []))).toEqual(['laptop', 'eu-b', 'us-a']);
    expect(ids(shown(ALL, { hide: ['EU', '~'], without: [] }, '', []))).toEqual(['us-a']);
    expect(ids(shown(ALL, { hide: [], without: ['aws'] }, '', []))).toEqual(['laptop', 'eu-b']);
  });
  it('is narrowed by text and by the block that is open', () => {
    expect(ids(shown(ALL, NONE, 'bern, us-', []))).toEqual(['eu-b', 'us-a']);
    expect(ids(shown(ALL, NONE, '', ['us-a', 'eu-a', 'gone']))).toEqual(['eu-a', 'us-a']);
  });
});

describe('a group', () => {
  it('is shown whole, in part, or not', () => {
    expect([[], ['eu-a'], ['eu-a', 'eu-b'], ['EU'], ['us-a']].map((hide) => extentOf(europe, hide))).toEqual(['all', 'some', 'none', 'none', 'all']);
  });
  it('is hidden by one word, and shown by none', () => {
    expect(withGroup(europe, ['us-a', 'eu-a'], false)).toEqual(['us-a', 'EU']);
    expect(withGroup(europe, ['us-a', 'EU', 'eu-a'], true)).toEqual(['us-a']);
  });
  it('loses and gets back single places', () => {
    expect(withPlace(europe, [], 'eu-a', false)).toEqual(['eu-a']);
    expect(withPlace(europe, ['eu-a'], 'eu-b', false)).toEqual(['EU']);
    expect(withPlace(europe, ['EU', 'us-a'], 'eu-b', true)).toEqual(['us-a', 'eu-a']);
    expect(withPlace(europe, ['eu-a'], 'eu-a', true)).toEqual([]);
  });
});

describe('an order', () => {
  it('is by continent unless another is given', () => {
    expect(arranged(ALL, null).map(({ code, places }) => [code, ids(places)])).toEqual([['', ['laptop']], ['NA', ['us-a']], ['EU', ['eu-a', 'eu-b']]]);
  });
  it('is by name', () => expect(arranged(ALL, nameOrder(ALL)).map(({ places }) => ids(places))).toEqual([['eu-a', 'eu-b', 'laptop', 'us-a']]));
  it('is from the nearest, with the unknown last', () => {
    const rtt: Record<string, number> = { 'us-a': 10, 'eu-b': 5 };
    expect(nearOrder(ALL, (id) => rtt[id] ?? null)[0]?.ids).toEqual(['eu-b', 'us-a', 'eu-a', 'laptop']);
  });
  it('keeps places that it does not know, and leaves out groups without any', () => {
    const order = [{ code: '1', name: 'one', ids: ['us-a'] }, { code: '2', name: 'two', ids: ['gone'] }];
    expect(arranged(ALL, order).map(({ code, places }) => [code, ids(places)])).toEqual([['1', ['us-a']], ['~', ['eu-a', 'eu-b', 'laptop']]]);
  });
});
