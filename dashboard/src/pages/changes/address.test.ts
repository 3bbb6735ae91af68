import { describe, expect, it } from 'vitest';
import { routeOf } from '../../pages';
import { changesHref, DEFAULT_CHANGES, DIRECTIONS, LEAST, parse, PERIODS, REACHED, type ChangesState } from './address';

function reread(href: string): ChangesState {
  const url = new URL(href, 'http://host');
  return parse(routeOf(url.pathname, url.search).address);
}

describe('the page of the changes', () => {
  it('has a bare address by default', () => {
    expect(changesHref(DEFAULT_CHANGES)).toBe('/changes');
    expect(reread('/changes')).toEqual(DEFAULT_CHANGES);
  });

  it('comes back from its address in every state', () => {
    for (const period of PERIODS)
      for (const least of LEAST)
        for (const direction of DIRECTIONS)
          for (const reached of REACHED)
            for (const at of [null, Date.UTC(2026, 0, 2, 3, 4, 5), Date.UTC(2026, 0, 2, 3, 4, 5, 678)]) {
              const state: ChangesState = { source: 'a&b', target: 'ü %', period, least, direction, reached, at };
              expect(reread(changesHref(state))).toEqual(state);
            }
  });

  it('ignores what it does not understand', () => {
    expect(reread('/changes?least=3&direction=up&address=10.0.0.1&period=5m&at=yesterday')).toEqual(DEFAULT_CHANGES);
  });
});
