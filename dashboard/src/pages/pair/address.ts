/** What the page of a pair keeps in the address bar. */

import { hrefOf, oneOf, type Address } from '../../lib/address';
import { RANGES, type Range } from '../../lib/series';

/** State of the pair page. */
export interface PairState {
  source: string;
  target: string;
  range: Range;
}

export const DEFAULT_RANGE: Range = '1h';

/** Reads the state of the page; its path has both names. */
export function parse({ parts: [source = '', target = ''], params }: Address): PairState {
  return { source, target, range: oneOf(RANGES, params.get('range')) ?? DEFAULT_RANGE };
}

/** Address of a pair's page. */
export function pairHref(source: string, target: string, range: Range = DEFAULT_RANGE): string {
  return hrefOf(['pair', source, target], { range: range === DEFAULT_RANGE ? null : range });
}
