/** What the matrix page keeps in the address bar. Defaults are left out. */

import { PROTOCOLS, WINDOWS, type Protocol, type Window } from '../../api';
import { hrefOf, momentOf, momentText, oneOf, type Address } from '../../lib/address';
import { MEASURES, type Measure } from '../../lib/colour';
import type { Selection } from '../../lib/matrix';

export type View = 'grid' | 'list';

/** Orders of the axes: by continent and from west to east, by id, from the nearest to a region, like beside like. */
export const SORTS = ['place', 'name', 'near', 'cluster'] as const;
export type Sort = (typeof SORTS)[number];

/** State of the matrix page. */
export interface MatrixState {
  measure: Measure;
  /** Any percentile, or `mean`, `min`, `max`. */
  percentile: string;
  window: Window;
  protocol: Protocol;
  /** The moment of the past that is shown, Unix ms; null for the present. */
  at: number | null;
  /** Filters of the rows and of the columns: comma-separated terms. */
  from: string;
  to: string;
  /** What is left out on both axes: ids, and groups as {@link groupToken} writes them. */
  hide: readonly string[];
  /** Providers that are left out. */
  without: readonly string[];
  /** The block that is opened: ids of its rows and columns; empty for all. */
  rows: readonly string[];
  columns: readonly string[];
  sort: Sort;
  /** The region that the order `near` starts from; empty for the first. */
  by: string;
  /** Null leaves the choice to the page: a list on a narrow screen or with one source, else the grid. */
  view: View | null;
  /** The region that the list starts from; empty for the first. */
  source: string;
}

export const DEFAULT_MATRIX: MatrixState = {
  measure: 'rtt',
  percentile: 'p50',
  window: '5m',
  protocol: 'tcp',
  at: null,
  from: '',
  to: '',
  hide: [],
  without: [],
  rows: [],
  columns: [],
  sort: 'place',
  by: '',
  view: null,
  source: '',
};

/** A percentile as the API takes it, out of what somebody wrote: `P99.9`, `99.9`, `median`; null for what is none. */
export function percentileOf(text: string): string | null {
  const word = text.trim().toLowerCase();
  if (word === 'median') return 'p50';
  if (word === 'mean' || word === 'min' || word === 'max') return word;
  const digits = /^p?(\d{1,3}(?:\.\d{1,4})?)$/.exec(word)?.[1];
  return digits === undefined || Number(digits) > 100 ? null : `p${Number(digits)}`;
}

/** How a group stands among the ids that are hidden; ids are never in capitals. */
export function groupToken(code: string): string {
  return code === '' ? '~' : code;
}

function listOf(text: string | null): string[] {
  return (text ?? '').split(',').filter((part) => part !== '');
}

/** Reads the state of the page. What is not understood becomes the default. */
export function parse({ params }: Address): MatrixState {
  return {
    measure: oneOf(MEASURES, params.get('measure')) ?? DEFAULT_MATRIX.measure,
    percentile: percentileOf(params.get('percentile') ?? '') ?? DEFAULT_MATRIX.percentile,
    window: oneOf(WINDOWS, params.get('window')) ?? DEFAULT_MATRIX.window,
    protocol: oneOf(PROTOCOLS, params.get('protocol')) ?? DEFAULT_MATRIX.protocol,
    at: momentOf(params.get('at')),
    from: params.get('from') ?? '',
    to: params.get('to') ?? '',
    hide: listOf(params.get('hide')),
    without: listOf(params.get('without')),
    rows: listOf(params.get('rows')),
    columns: listOf(params.get('columns')),
    sort: oneOf(SORTS, params.get('sort')) ?? DEFAULT_MATRIX.sort,
    by: params.get('by') ?? '',
    view: oneOf(['grid', 'list'] as const, params.get('view')),
    source: params.get('source') ?? '',
  };
}

/** A value unless it is the default. */
function unless<T extends string>(value: T, usual: T): T | null {
  return value === usual ? null : value;
}

/** Address of the page in a state. */
export function matrixHref(state: MatrixState): string {
  return hrefOf([''], {
    measure: unless(state.measure, DEFAULT_MATRIX.measure),
    percentile: unless(state.percentile, DEFAULT_MATRIX.percentile),
    window: unless(state.window, DEFAULT_MATRIX.window),
    protocol: unless(state.protocol, DEFAULT_MATRIX.protocol),
    at: state.at === null ? null : momentText(state.at),
    from: state.from,
    to: state.to,
    hide: state.hide.join(),
    without: state.without.join(),
    rows: state.rows.join(),
    columns: state.columns.join(),
    sort: unless(state.sort, DEFAULT_MATRIX.sort),
    by: state.by,
    view: state.view,
    source: state.source,
  });
}

/** Whether a measure is one of a percentile; loss and jitter are of all probes of the window. */
export function hasPercentile(measure: Measure): boolean {
  return measure === 'rtt' || measure === 'fibre';
}

/** The numbers that a state shows. Beside loss and jitter stands the median. */
export function selectionOf({ measure, percentile, window, protocol, at }: MatrixState): Selection {
  return { percentile: hasPercentile(measure) ? percentile : DEFAULT_MATRIX.percentile, window, protocol, at };
}
