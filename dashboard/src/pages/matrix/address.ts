/** What the matrix page keeps in the address bar. Defaults are left out. */

import { PERCENTILES, type Percentile } from '../../api';
import { hrefOf, oneOf, type Address } from '../../lib/address';
import { LIVE_WINDOWS, type LiveWindow } from '../../lib/words';

export type View = 'grid' | 'list';

/** State of the matrix page. */
export interface MatrixState {
  percentile: Percentile;
  window: LiveWindow;
  /** Filters of the rows and of the columns: comma-separated terms. */
  from: string;
  to: string;
  /** Null leaves the choice to the page: a list on a narrow screen or with one source, else the grid. */
  view: View | null;
  /** The region that the list starts from; empty for the first. */
  source: string;
}

export const DEFAULT_MATRIX: MatrixState = { percentile: 'p50', window: '5m', from: '', to: '', view: null, source: '' };

/** Reads the state of the page. What is not understood becomes the default. */
export function parse({ params }: Address): MatrixState {
  return {
    percentile: oneOf(PERCENTILES, params.get('percentile')) ?? DEFAULT_MATRIX.percentile,
    window: oneOf(LIVE_WINDOWS, params.get('window')) ?? DEFAULT_MATRIX.window,
    from: params.get('from') ?? '',
    to: params.get('to') ?? '',
    view: oneOf(['grid', 'list'] as const, params.get('view')),
    source: params.get('source') ?? '',
  };
}

/** Address of the page in a state. */
export function matrixHref(state: MatrixState): string {
  const { percentile, window, ...rest } = state;
  return hrefOf([''], {
    percentile: percentile === DEFAULT_MATRIX.percentile ? null : percentile,
    window: window === DEFAULT_MATRIX.window ? null : window,
    ...rest,
  });
}
