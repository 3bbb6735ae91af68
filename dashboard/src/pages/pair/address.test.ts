import { expect, it } from 'vitest';
import { RANGES } from '../../lib/series';
import { routeOf } from '../../pages';
import { pairHref, parse } from './address';

it('the page of a pair comes back from its address in every state', () => {
  for (const range of RANGES)
    for (const source of ['us-east-1', 'a/b', 'Ünï %']) {
      const url = new URL(pairHref(source, 'eu-west-1', range), 'http://host');
      expect(parse(routeOf(url.pathname, url.search).address)).toEqual({ source, target: 'eu-west-1', range });
    }
});
