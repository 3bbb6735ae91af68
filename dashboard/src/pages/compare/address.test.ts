import { describe, expect, it } from 'vitest';
import { PROTOCOLS, WINDOWS } from '../../api';
import { routeOf } from '../../pages';
import { compareHref, DEFAULT_COMPARE, momentOfBoth, parse, type CompareState } from './address';

const NOON = Date.parse('2026-11-22T12:00:00Z');

function reread(href: string): CompareState {
  const url = new URL(href, 'http://host');
  return parse(routeOf(url.pathname, url.search).address);
}

describe('the comparison', () => {
  it('has a bare address by default', () => {
    expect(compareHref(DEFAULT_COMPARE)).toBe('/compare');
    expect(reread('/compare')).toEqual(DEFAULT_COMPARE);
  });

  it('comes back from its address in every state', () => {
    for (const window of WINDOWS)
      for (const protocol of PROTOCOLS)
        for (const at of [null, NOON])
          for (const flag of [false, true]) {
            const state: CompareState = {
              a: { window, at, percentile: 'p50', protocol, provider: 'aws' },
              b: { window, at: NOON, percentile: 'p99', protocol: 'tcp', provider: '' },
              source: 'x',
              target: 'y & z',
              pins: ['a/b', 'c/d'],
              certain: flag,
              all: flag,
            };
            expect(reread(compareHref(state))).toEqual(state);
          }
  });

  it('ignores what it does not understand', () => {
    expect(reread('/compare?a_window=2d&b_at=now&a_percentile=50&b_protocol=smtp&pins=,a&certain=yes')).toEqual(DEFAULT_COMPARE);
  });

  it('takes a time without a side for that of both', () => {
    const state = reread('/compare?at=2026-11-22T12:00:00Z&a_at=2026-11-21T12:00:00Z');
    expect([state.a.at, state.b.at]).toEqual([NOON - 86_400_000, NOON]);
  });

  it('takes the later end of both sides to other pages, and the present where one is of now', () => {
    expect(momentOfBoth(reread('/compare?a_at=2026-11-22T12:00:00Z&b_at=2026-11-21T12:00:00Z'))).toBe(NOON);
    expect(momentOfBoth(reread('/compare?a_at=2026-11-22T12:00:00Z'))).toBeNull();
  });
});
