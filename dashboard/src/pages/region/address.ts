/** What the page of a region keeps in the address bar. Defaults are left out. */

import { PERCENTILES, WINDOWS, type Percentile, type Window } from '../../api';
import { hrefOf, momentOf, momentText, oneOf, type Address } from '../../lib/address';

/** Whether the region measures or is measured. */
export const DIRECTIONS = ['from', 'to'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** What orders where several regions are asked for: the worst of them, or their mean. */
export const ORDERS = ['max', 'mean'] as const;
export type Order = (typeof ORDERS)[number];

/** State of the page. */
export interface RegionState {
  /** Empty for the first region there is. */
  region: string;
  direction: Direction;
  /** The others that what is ranked must be close to as well. */
  others: readonly string[];
  by: Order;
  /** Empty for all. */
  provider: string;
  percentile: Percentile;
  window: Window;
  /** Where the window ends, Unix ms; null for now. */
  at: number | null;
}

export const DEFAULT_REGION: RegionState = {
  region: '',
  direction: 'from',
  others: [],
  by: 'max',
  provider: '',
  percentile: 'p50',
  window: '5m',
  at: null,
};

/** Reads the state of the page. What is not understood becomes the default. */
export function parse({ parts: [region = ''], params }: Address): RegionState {
  const others = (params.get('with') ?? '').split(',').filter((id) => id !== '' && id !== region);
  return {
    region,
    direction: oneOf(DIRECTIONS, params.get('direction')) ?? DEFAULT_REGION.direction,
    others: [...new Set(others)],
    by: oneOf(ORDERS, params.get('by')) ?? DEFAULT_REGION.by,
    provider: params.get('provider') ?? '',
    percentile: oneOf(PERCENTILES, params.get('percentile')) ?? DEFAULT_REGION.percentile,
    window: oneOf(WINDOWS, params.get('window')) ?? DEFAULT_REGION.window,
    at: momentOf(params.get('at')),
  };
}

/** Address of the page in a state. */
export function regionHref(state: RegionState): string {
  const { region, direction, others, by, provider, percentile, window, at } = state;
  return hrefOf(region === '' ? ['region'] : ['region', region], {
    direction: direction === DEFAULT_REGION.direction ? null : direction,
    with: others.filter((id) => id !== region).join(','),
    by: by === DEFAULT_REGION.by ? null : by,
    provider,
    percentile: percentile === DEFAULT_REGION.percentile ? null : percentile,
    window: window === DEFAULT_REGION.window ? null : window,
    at: at === null ? null : momentText(at),
  });
}
