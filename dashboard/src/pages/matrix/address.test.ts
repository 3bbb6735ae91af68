import { describe, expect, it } from 'vitest';
import { PROTOCOLS, WINDOWS } from '../../api';
import { MEASURES } from '../../lib/colour';
import { routeOf } from '../../pages';
import { DEFAULT_MATRIX, matrixHref, parse, percentileOf, selectionOf, SORTS, type MatrixState } from './address';

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
    const parts: Partial<MatrixState>[] = [
      ...MEASURES.map((measure) => ({ measure })),
      ...WINDOWS.map((window) => ({ window })),
      ...PROTOCOLS.map((protocol) => ({ protocol })),
      ...SORTS.map((sort) => ({ sort, by: 'us-east-1' })),
      ...['p0', 'p99.9', 'p100', 'mean', 'min', 'max'].map((percentile) => ({ percentile })),
      ...['', 'são paulo, eu-', 'a&b=c#d?e+f %'].map((text) => ({ from: text, to: text, source: text, by: text })),
      ...([null, 'grid', 'list'] as const).map((view) => ({ view })),
      { at: Date.UTC(2026, 0, 1, 12) },
      { hide: ['EU', '~', 'us-east-1'], without: ['aws'], rows: ['a', 'b'], columns: ['c'] },
    ];
    const all = Object.assign({}, ...parts) as MatrixState;
    for (const part of [...parts, all]) {
      const state = { ...DEFAULT_MATRIX, ...part };
      expect(reread(matrixHref(state))).toEqual(state);
    }
  });

  it('ignores what it does not understand', () => {
    expect(reread('/?measure=heat&percentile=p101&window=2h&protocol=carrier&at=noon&sort=colour&view=globe&hide=,&other=1')).toEqual(DEFAULT_MATRIX);
  });
});

it('reads percentiles as people write them', () => {
  const written = ['p99.9', '99.9', ' P5 ', 'p100', 'median', 'Mean', 'p050'];
  expect(written.map(percentileOf)).toEqual(['p99.9', 'p99.9', 'p5', 'p100', 'p50', 'mean', 'p50']);
  for (const text of ['', 'p', 'p101', '-1', 'p1e1', 'jitter', 'p99.99999']) expect(percentileOf(text)).toBeNull();
});

it('asks for the median beside what is of all probes', () => {
  const state: MatrixState = { ...DEFAULT_MATRIX, percentile: 'p99' };
  expect(MEASURES.map((measure) => selectionOf({ ...state, measure }).percentile)).toEqual(['p99', 'p50', 'p50', 'p99']);
});
