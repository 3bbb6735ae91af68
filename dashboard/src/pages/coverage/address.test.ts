import { describe, expect, it } from 'vitest';
import { routeOf } from '../../pages';
import { coverageHref, DEFAULT_COVERAGE, parse, SHOWS, SORTS, type CoverageState } from './address';

function reread(href: string): CoverageState {
  const url = new URL(href, 'http://host');
  return parse(routeOf(url.pathname, url.search).address);
}

describe('the page of the coverage', () => {
  it('has a bare address by default', () => {
    expect(coverageHref(DEFAULT_COVERAGE)).toBe('/coverage');
    expect(reread('/coverage')).toEqual(DEFAULT_COVERAGE);
  });

  it('comes back from its address in every state', () => {
    for (const sort of SORTS)
      for (const reversed of [false, true])
        for (const show of SHOWS) {
          const state: CoverageState = { filter: 'são paulo, eu-', show, sort, reversed, open: 'a&b' };
          expect(reread(coverageHref(state))).toEqual(state);
        }
  });

  it('ignores what it does not understand', () => {
    expect(reread('/coverage?sort=-size&show=none&other=1')).toEqual(DEFAULT_COVERAGE);
  });
});
