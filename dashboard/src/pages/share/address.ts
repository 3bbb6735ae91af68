/** What the page that makes frames and badges keeps in the address bar. */

import { PERCENTILES, PROTOCOLS, WINDOWS, type Percentile, type Protocol, type Window } from '../../api';
import { hrefOf, momentOf, momentText, oneOf, type Address } from '../../lib/address';
import { RANGES, type Range } from '../../lib/series';
import { MOST_REGIONS, THEMES, type Theme } from '../embed/address';

export const KINDS = ['number', 'pair', 'matrix', 'badge'] as const;
export type Kind = (typeof KINDS)[number];

/** State of the page. */
export interface ShareState {
  kind: Kind;
  /** Empty for whichever is first. */
  source: string;
  target: string;
  regions: readonly string[];
  percentile: Percentile;
  window: Window;
  range: Range;
  protocol: Protocol;
  theme: Theme;
  /** Where the numbers end; null while that is the present. */
  at: number | null;
  /** What stands on the left of a badge; empty for both ends. */
  label: string;
  /** Size of the frame in px; null for what suits its kind. */
  width: number | null;
  height: number | null;
}

export const DEFAULT_SHARE: ShareState = {
  kind: 'number',
  source: '',
  target: '',
  regions: [],
  percentile: 'p50',
  window: '5m',
  range: '1h',
  protocol: 'tcp',
  theme: 'auto',
  at: null,
  label: '',
  width: null,
  height: null,
};

export const LEAST_PX = 160;
export const MOST_PX = 2000;
/** What the service takes as a badge's label. */
export const MOST_LABEL = 60;

/** A size from an address or a field; null for none that a frame can have. */
export function sizeOf(text: string | null): number | null {
  const size = Number(text);
  return text !== null && Number.isInteger(size) && size >= LEAST_PX && size <= MOST_PX ? size : null;
}

/** Reads the state of the page. */
export function parse({ params }: Address): ShareState {
  const regions = (params.get('regions') ?? '').split(',').filter((id) => id !== '');
  return {
    kind: oneOf(KINDS, params.get('kind')) ?? DEFAULT_SHARE.kind,
    source: params.get('source') ?? '',
    target: params.get('target') ?? '',
    regions: [...new Set(regions)].slice(0, MOST_REGIONS),
    percentile: oneOf(PERCENTILES, params.get('percentile')) ?? DEFAULT_SHARE.percentile,
    window: oneOf(WINDOWS, params.get('window')) ?? DEFAULT_SHARE.window,
    range: oneOf(RANGES, params.get('range')) ?? DEFAULT_SHARE.range,
    protocol: oneOf(PROTOCOLS, params.get('protocol')) ?? DEFAULT_SHARE.protocol,
    theme: oneOf(THEMES, params.get('theme')) ?? DEFAULT_SHARE.theme,
    at: momentOf(params.get('at')),
    label: (params.get('label') ?? '').slice(0, MOST_LABEL),
    width: sizeOf(params.get('width')),
    height: sizeOf(params.get('height')),
  };
}

/** Address of the page in a state. */
export function shareHref(state: ShareState): string {
  const other = <K extends keyof ShareState>(name: K): string | null => (state[name] === DEFAULT_SHARE[name] ? null : String(state[name]));
  return hrefOf(['share'], {
    kind: other('kind'),
    source: state.source,
    target: state.target,
    regions: state.regions.join(','),
    percentile: other('percentile'),
    window: other('window'),
    range: other('range'),
    protocol: other('protocol'),
    theme: other('theme'),
    at: state.at === null ? null : momentText(state.at),
    label: state.label,
    width: other('width'),
    height: other('height'),
  });
}
