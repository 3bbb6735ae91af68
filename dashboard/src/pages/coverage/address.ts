/** What the page of the coverage keeps in the address bar. Defaults are left out. */

import { hrefOf, oneOf, type Address } from '../../lib/address';

export const SORTS = ['state', 'name', 'newest', 'completeness', 'loss', 'missing', 'unsent'] as const;
export type Sort = (typeof SORTS)[number];

export const SHOWS = ['all', 'trouble'] as const;
export type Show = (typeof SHOWS)[number];

/** State of the page. The ledger and the newest probes are of now only, so there is no `at`. */
export interface CoverageState {
  /** Comma-separated terms. */
  filter: string;
  show: Show;
  sort: Sort;
  /** Best first instead of worst first; names backwards. */
  reversed: boolean;
  /** The vantage point whose hours are open; empty for none. */
  open: string;
}

export const DEFAULT_COVERAGE: CoverageState = { filter: '', show: 'all', sort: 'state', reversed: false, open: '' };

/** Reads the state of the page. What is not understood becomes the default. */
export function parse({ params }: Address): CoverageState {
  const sort = params.get('sort') ?? '';
  const reversed = sort.startsWith('-');
  const known = oneOf(SORTS, sort.slice(reversed ? 1 : 0));
  return {
    filter: params.get('filter') ?? '',
    show: oneOf(SHOWS, params.get('show')) ?? DEFAULT_COVERAGE.show,
    sort: known ?? DEFAULT_COVERAGE.sort,
    reversed: known !== null && reversed,
    open: params.get('open') ?? '',
  };
}

/** Address of the page in a state. */
export function coverageHref({ filter, show, sort, reversed, open }: CoverageState): string {
  return hrefOf(['coverage'], {
    filter,
    show: show === DEFAULT_COVERAGE.show ? null : show,
    sort: sort === DEFAULT_COVERAGE.sort && !reversed ? null : `${reversed ? '-' : ''}${sort}`,
    open,
  });
}
