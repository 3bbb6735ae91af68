/** What the address bar holds: paths and query strings to typed state, and back. Defaults are left out. */

import { PERCENTILES, WINDOWS, type Percentile, type Window } from '../api';
import { RANGES, type Range } from './series';

export type View = 'grid' | 'list';

/** State of the matrix page. */
export interface MatrixState {
  percentile: Percentile;
  window: Window;
  /** Filters of the rows and of the columns: comma-separated terms. */
  from: string;
  to: string;
  /** Null leaves the choice to the page: a list on a narrow screen or with one source, else the grid. */
  view: View | null;
  /** The region that the list starts from; empty for the first. */
  source: string;
}

export const DEFAULT_MATRIX: MatrixState = { percentile: 'p50', window: '5m', from: '', to: '', view: null, source: '' };

/** State of the pair page. */
export interface PairState {
  source: string;
  target: string;
  range: Range;
}

export const DEFAULT_RANGE: Range = '1h';

export type Route =
  | { page: 'matrix'; state: MatrixState }
  | { page: 'pair'; state: PairState }
  | { page: 'unknown'; path: string };

function oneOf<T extends string>(allowed: readonly T[], text: string | null): T | null {
  return allowed.find((value) => value === text) ?? null;
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** Reads the state of the matrix page. What is not understood becomes the default. */
export function parseMatrix(params: URLSearchParams): MatrixState {
  return {
    percentile: oneOf(PERCENTILES, params.get('percentile')) ?? DEFAULT_MATRIX.percentile,
    window: oneOf(WINDOWS, params.get('window')) ?? DEFAULT_MATRIX.window,
    from: params.get('from') ?? '',
    to: params.get('to') ?? '',
    view: oneOf(['grid', 'list'] as const, params.get('view')),
    source: params.get('source') ?? '',
  };
}

/** Address of the matrix page in a state. */
export function matrixHref(state: MatrixState): string {
  const params = new URLSearchParams();
  for (const name of ['percentile', 'window', 'from', 'to', 'view', 'source'] as const) {
    const value = state[name];
    if (value !== null && value !== DEFAULT_MATRIX[name]) params.set(name, value);
  }
  const query = params.toString();
  return query === '' ? '/' : `/?${query}`;
}

/** Address of a pair's page. */
export function pairHref(source: string, target: string, range: Range = DEFAULT_RANGE): string {
  const path = `/pair/${encodeURIComponent(source)}/${encodeURIComponent(target)}`;
  return range === DEFAULT_RANGE ? path : `${path}?range=${range}`;
}

/** Reads an address. */
export function parseRoute(path: string, search: string): Route {
  const params = new URLSearchParams(search);
  if (path === '/' || path === '/index.html') return { page: 'matrix', state: parseMatrix(params) };
  const [, room, first, second, ...rest] = path.split('/');
  const source = decode(first ?? '');
  const target = decode(second ?? '');
  if (room === 'pair' && source && target && rest.join('') === '') {
    const range = oneOf(RANGES, params.get('range')) ?? DEFAULT_RANGE;
    return { page: 'pair', state: { source, target, range } };
  }
  return { page: 'unknown', path };
}
