/** What the page of the route changes keeps in the address bar. Defaults are left out. */

import { hrefOf, momentOf, momentText, oneOf, type Address } from '../../lib/address';

export const PERIODS = ['1d', '7d', '30d', '365d'] as const;
export type Period = (typeof PERIODS)[number];

/** Least sizes that are offered, in ms; the first shows every step. */
export const LEAST = ['0', '1', '5', '20'] as const;
export type Least = (typeof LEAST)[number];

export const DIRECTIONS = ['all', 'slower', 'faster'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Steps that came with another address of their target, or with the same one. Where that is not known, a step is neither. */
export const REACHED = ['all', 'changed', 'same'] as const;
export type Reached = (typeof REACHED)[number];

/** State of the page. */
export interface ChangesState {
  /** Ids; empty for all. */
  source: string;
  target: string;
  least: Least;
  direction: Direction;
  reached: Reached;
  period: Period;
  /** Where the period ends, Unix ms; null for now. */
  at: number | null;
}

export const DEFAULT_CHANGES: ChangesState = { source: '', target: '', least: '0', direction: 'all', reached: 'all', period: '7d', at: null };

/** Reads the state of the page. What is not understood becomes the default. */
export function parse({ params }: Address): ChangesState {
  return {
    source: params.get('source') ?? '',
    target: params.get('target') ?? '',
    least: oneOf(LEAST, params.get('least')) ?? DEFAULT_CHANGES.least,
    direction: oneOf(DIRECTIONS, params.get('direction')) ?? DEFAULT_CHANGES.direction,
    reached: oneOf(REACHED, params.get('address')) ?? DEFAULT_CHANGES.reached,
    period: oneOf(PERIODS, params.get('period')) ?? DEFAULT_CHANGES.period,
    at: momentOf(params.get('at')),
  };
}

/** Address of the page in a state. */
export function changesHref({ source, target, least, direction, reached, period, at }: ChangesState): string {
  return hrefOf(['changes'], {
    source,
    target,
    least: least === DEFAULT_CHANGES.least ? null : least,
    direction: direction === DEFAULT_CHANGES.direction ? null : direction,
    address: reached === DEFAULT_CHANGES.reached ? null : reached,
    period: period === DEFAULT_CHANGES.period ? null : period,
    at: at === null ? null : momentText(at),
  });
}
