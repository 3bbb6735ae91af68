/** What the comparison keeps in the address bar. Defaults are left out. */

import { PERCENTILES, PROTOCOLS, WINDOWS, type Percentile, type Protocol, type Window } from '../../api';
import { hrefOf, momentOf, momentText, oneOf, type Address } from '../../lib/address';

/** One of the two that are compared. */
export interface Side {
  window: Window;
  /** Where the window ends, Unix ms; null for now. */
  at: number | null;
  percentile: Percentile;
  protocol: Protocol;
  /** Of the targets; empty for all. */
  provider: string;
}

export type SideName = 'a' | 'b';

/** State of the comparison. */
export interface CompareState {
  a: Side;
  b: Side;
  /** Only this vantage point and this target, on both sides; empty for all. */
  source: string;
  target: string;
  /** Pairs that stay on top, as `source/target`. */
  pins: readonly string[];
  /** Whether what may be chance is left out. */
  certain: boolean;
  /** Whether all rows are listed. */
  all: boolean;
}

const SIDE: Side = { window: '5m', at: null, percentile: 'p50', protocol: 'tcp', provider: '' };

/** The last minutes against the last day: what is not as usual now. */
export const DEFAULT_COMPARE: CompareState = {
  a: { ...SIDE, window: '1d' },
  b: SIDE,
  source: '',
  target: '',
  pins: [],
  certain: false,
  all: false,
};

function side(params: URLSearchParams, name: SideName): Side {
  const fallback = DEFAULT_COMPARE[name];
  const get = (part: string): string | null => params.get(`${name}_${part}`);
  return {
    window: oneOf(WINDOWS, get('window')) ?? fallback.window,
    // A time without a side is that of both.
    at: momentOf(get('at')) ?? momentOf(params.get('at')),
    percentile: oneOf(PERCENTILES, get('percentile')) ?? fallback.percentile,
    protocol: oneOf(PROTOCOLS, get('protocol')) ?? fallback.protocol,
    provider: get('provider') ?? '',
  };
}

/** Reads the state of the page. What is not understood becomes the default. */
export function parse({ params }: Address): CompareState {
  return {
    a: side(params, 'a'),
    b: side(params, 'b'),
    source: params.get('source') ?? '',
    target: params.get('target') ?? '',
    pins: [...new Set((params.get('pins') ?? '').split(',').filter((pin) => pin.includes('/')))],
    certain: params.get('certain') === '1',
    all: params.get('all') === '1',
  };
}

function sideParams(state: Side, name: SideName): Record<string, string | null> {
  const fallback = DEFAULT_COMPARE[name];
  const changed = (part: 'window' | 'percentile' | 'protocol' | 'provider'): string | null => (state[part] === fallback[part] ? null : state[part]);
  return {
    [`${name}_window`]: changed('window'),
    [`${name}_at`]: state.at === null ? null : momentText(state.at),
    [`${name}_percentile`]: changed('percentile'),
    [`${name}_protocol`]: changed('protocol'),
    [`${name}_provider`]: changed('provider'),
  };
}

/** The moment that other pages show too: the later end of both sides, Unix ms; null where one of them is now. */
export function momentOfBoth({ a, b }: Pick<CompareState, SideName>): number | null {
  return a.at === null || b.at === null ? null : Math.max(a.at, b.at);
}

/** Address of the page in a state. */
export function compareHref({ a, b, source, target, pins, certain, all }: CompareState): string {
  const flags = { certain: certain ? '1' : null, all: all ? '1' : null };
  return hrefOf(['compare'], { ...sideParams(a, 'a'), ...sideParams(b, 'b'), source, target, pins: pins.join(','), ...flags });
}
