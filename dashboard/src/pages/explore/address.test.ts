import { describe, expect, it } from 'vitest';
import { routeOf } from '../../pages';
import { CHARTS, DEFAULT_EXPLORE, exploreHref, parse, PROGRAMS, type ExploreState } from './address';

function reread(href: string): ExploreState {
  const url = new URL(href, 'http://host');
  return parse(routeOf(url.pathname, url.search).address);
}

describe('the page for SQL', () => {
  it('has a bare address by default', () => {
    expect(exploreHref(DEFAULT_EXPLORE)).toBe('/explore');
    expect(reread('/explore')).toEqual(DEFAULT_EXPLORE);
  });

  it('comes back from its address in every state', () => {
    for (const chart of CHARTS)
      for (const program of PROGRAMS)
        for (const order of [null, { column: 0, descending: true }, { column: 12, descending: false }]) {
          const state: ExploreState = { query: `select 'ü&+%#'\n\twhere 1 <> 2 -- ?`, order, chart, value: 'p99 & more', program };
          expect(reread(exploreHref(state))).toEqual(state);
        }
  });

  it('ignores what it does not understand', () => {
    expect(reread('/explore?q=&order=0&chart=pie&program=excel')).toEqual(DEFAULT_EXPLORE);
    expect(reread('/explore?order=--1').order).toBeNull();
  });
});
