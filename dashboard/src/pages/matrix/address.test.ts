import { describe, expect, it } from 'vitest';
import { PERCENTILES, WINDOWS } from '../api';
import { RANGES } from './series';
import { DEFAULT_MATRIX, matrixHref, pairHref, parseRoute, type MatrixState, type Route } from './urlstate';

function parse(href: string): Route {
  const url = new URL(href, 'http://host');
  return parseRoute(url.pathname, url.search);
}

describe('the matrix page', () => {
  it('has a bare address by default', () => {
    expect(matrixHref(DEFAULT_MATRIX)).toBe('/');
    expect(parse('/')).toEqual({ page: 'matrix', state: DEFAULT_MATRIX });
  });

  it('comes back from its address in every state', () => {
    for (const percentile of PERCENTILES)
      for (const window of WINDOWS)
        for (const view of [null, 'grid', 'list'] as const)
          for (const text of ['', 'são paulo, eu-', 'a&b=c#d?e+f %']) {
            const state: MatrixState = { percentile, window, view, from: text, to: text, source: text };
            expect(parse(matrixHref(state))).toEqual({ page: 'matrix', state });
          }
  });

  it('ignores what it does not understand', () => {
    expect(parse('/?percentile=p101&window=2h&view=globe&other=1')).toEqual({ page: 'matrix', state: DEFAULT_MATRIX });
  });
});

describe('the pair page', () => {
  it('comes back from its address in every state', () => {
    for (const range of RANGES)
      for (const source of ['us-east-1', 'a/b', 'Ünï %'])
        expect(parse(pairHref(source, 'eu-west-1', range))).toEqual({ page: 'pair', state: { source, target: 'eu-west-1', range } });
  });

  it('needs two names and nothing after them', () => {
    for (const path of ['/pair', '/pair/a', '/pair/a/', '/pair/a/b/c', '/pair/%/b', '/other']) expect(parse(path).page).toBe('unknown');
  });
});
