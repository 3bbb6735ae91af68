import { describe, expect, it } from 'vitest';
import { routeOf } from '../../pages';
import { COLOURS, DEFAULT_MAP, LEASTS, leastOf, mapHref, parse, SHOWS, type MapState } from './address';

function reread(href: string): MapState {
  const url = new URL(href, 'http://host');
  return parse(routeOf(url.pathname, url.search).address);
}

describe('the map', () => {
  it('has a bare address by default', () => {
    expect(mapHref(DEFAULT_MAP)).toBe('/map');
    expect(reread('/map')).toEqual(DEFAULT_MAP);
    expect(DEFAULT_MAP.least).toBe(leastOf(DEFAULT_MAP.show));
  });

  it('comes back from its address in every state', () => {
    for (const colour of COLOURS)
      for (const show of SHOWS)
        for (const least of LEASTS[show])
          for (const at of [null, Date.parse('2026-11-22T03:15:00Z')]) {
            const state: MapState = { percentile: 'p99', window: '1h', at, colour, show, least, region: 'a&b' };
            expect(reread(mapHref(state))).toEqual(state);
          }
  });

  it('ignores what it does not understand', () => {
    expect(reread('/map?percentile=p101&window=7d&at=12&colour=red&show=some&least=1.51')).toEqual(DEFAULT_MAP);
    expect(reread('/map?show=loss&least=1.5').least).toBe(leastOf('loss'));
  });
});
