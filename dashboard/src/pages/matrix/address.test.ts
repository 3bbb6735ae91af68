import { describe, expect, it } from 'vitest';
import { PERCENTILES } from '../../api';
import { LIVE_WINDOWS } from '../../lib/words';
import { routeOf } from '../../pages';
import { DEFAULT_MATRIX, matrixHref, parse, type MatrixState } from './address';

function reread(href: string): MatrixState {
  const url = new URL(href, 'http://host');
  return parse(routeOf(url.pathname, url.search).address);
}

describe('the matrix page', () => {
  it('has a bare address by default', () => {
    expect(matrixHref(DEFAULT_MATRIX)).toBe('/');
    expect(reread('/')).toEqual(DEFAULT_MATRIX);
  });

  it('comes back from its address in every state', () => {
    for (const percentile of PERCENTILES)
      for (const window of LIVE_WINDOWS)
        for (const view of [null, 'grid', 'list'] as const)
          for (const text of ['', 'são paulo, eu-', 'a&b=c#d?e+f %']) {
            const state: MatrixState = { percentile, window, view, from: text, to: text, source: text };
            expect(reread(matrixHref(state))).toEqual(state);
          }
  });

  it('ignores what it does not understand', () => {
    expect(reread('/?percentile=p101&window=2h&view=globe&other=1')).toEqual(DEFAULT_MATRIX);
  });
});
