import { describe, expect, it } from 'vitest';
import { WINDOWS } from '../../api';
import { routeOf } from '../../pages';
import { DEFAULT_REGION, DIRECTIONS, ORDERS, parse, regionHref, type RegionState } from './address';

function reread(href: string): RegionState {
  const url = new URL(href, 'http://host');
  return parse(routeOf(url.pathname, url.search).address);
}

describe('the page of a region', () => {
  it('has a bare address by default', () => {
    expect(regionHref(DEFAULT_REGION)).toBe('/region');
    expect(regionHref({ ...DEFAULT_REGION, region: 'eu-west-1' })).toBe('/region/eu-west-1');
    expect(reread('/region')).toEqual(DEFAULT_REGION);
  });

  it('comes back from its address in every state', () => {
    for (const direction of DIRECTIONS)
      for (const by of ORDERS)
        for (const window of WINDOWS)
          for (const at of [null, Date.parse('2026-11-22T03:15:00Z')]) {
            const state: RegionState = { region: 'a/b', direction, others: ['x', 'ü %'], by, provider: 'aws', percentile: 'p99', window, at };
            expect(reread(regionHref(state))).toEqual(state);
          }
  });

  it('ignores what it does not understand', () => {
    expect(reread('/region?direction=up&by=luck&percentile=p101&window=2h&at=yesterday&with=,,')).toEqual(DEFAULT_REGION);
  });

  it('asks for no region twice', () => {
    expect(reread('/region/a?with=b,a,b,c').others).toEqual(['b', 'c']);
    expect(regionHref({ ...DEFAULT_REGION, region: 'b', others: ['b', 'c'] })).toBe('/region/b?with=c');
  });
});
