/** What the page for SQL keeps in the address bar. Defaults are left out. */

import { hrefOf, oneOf, type Address } from '../../lib/address';
import { EXAMPLES } from './examples';

export const CHARTS = ['auto', 'line', 'bars', 'none'] as const;
export type ChartChoice = (typeof CHARTS)[number];

/** Programs that a statement is written down for. */
export const PROGRAMS = ['curl', 'DuckDB', 'Polars', 'pandas', 'Athena'] as const;
export type Program = (typeof PROGRAMS)[number];

/** What the rows are ordered by in the table: a column, counted from 0. */
export interface Order {
  column: number;
  descending: boolean;
}

/** State of the page. */
export interface ExploreState {
  query: string;
  /** Null for the order of the answer. */
  order: Order | null;
  chart: ChartChoice;
  /** The column that is drawn; empty for the first that has numbers. */
  value: string;
  program: Program;
}

export const DEFAULT_EXPLORE: ExploreState = { query: EXAMPLES[0].query, order: null, chart: 'auto', value: '', program: 'curl' };

/** Columns are counted from 1 in the address, and a minus means descending. */
function orderOf(text: string | null): Order | null {
  const [, minus, column] = /^(-?)([1-9]\d{0,3})$/.exec(text ?? '') ?? [];
  return column === undefined ? null : { column: Number(column) - 1, descending: minus === '-' };
}

/** Reads the state of the page. What is not understood becomes the default. */
export function parse({ params }: Address): ExploreState {
  return {
    query: params.get('q') || DEFAULT_EXPLORE.query,
    order: orderOf(params.get('order')),
    chart: oneOf(CHARTS, params.get('chart')) ?? DEFAULT_EXPLORE.chart,
    value: params.get('value') ?? '',
    program: oneOf(PROGRAMS, params.get('program')) ?? DEFAULT_EXPLORE.program,
  };
}

/** Address of the page in a state. */
export function exploreHref({ query, order, chart, value, program }: ExploreState): string {
  return hrefOf(['explore'], {
    q: query === DEFAULT_EXPLORE.query ? null : query,
    order: order === null ? null : `${order.descending ? '-' : ''}${order.column + 1}`,
    chart: chart === DEFAULT_EXPLORE.chart ? null : chart,
    value,
    program: program === DEFAULT_EXPLORE.program ? null : program,
  });
}
