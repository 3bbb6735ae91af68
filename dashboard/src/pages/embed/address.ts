/** What the frames of other sites show: all of it is in their address. */

import { PERCENTILES, PROTOCOLS, WINDOWS, type Percentile, type Protocol, type Window } from '../../api';
import { hrefOf, momentOf, momentText, oneOf, type Address } from '../../lib/address';
import { RANGES, type Range } from '../../lib/series';

export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** A small matrix has at most this many regions: more are the first page's business. */
export const MOST_REGIONS = 12;

interface Common {
  theme: Theme;
  protocol: Protocol;
  /** Where the window or range ends; null while that is the present. */
  at: number | null;
}

/** The history of one direction. */
export interface PairFrame extends Common {
  kind: 'pair';
  source: string;
  target: string;
  range: Range;
}

/** One number. */
export interface NumberFrame extends Common {
  kind: 'number';
  source: string;
  target: string;
  percentile: Percentile;
  window: Window;
}

/** The numbers between some regions. */
export interface MatrixFrame extends Common {
  kind: 'matrix';
  regions: readonly string[];
  percentile: Percentile;
  window: Window;
}

export type Frame = PairFrame | NumberFrame | MatrixFrame;

const DEFAULT_RANGE: Range = '1h';

function regionsOf(text: string | null): string[] {
  const ids = (text ?? '').split(',').map((id) => id.trim());
  return [...new Set(ids.filter((id) => id !== ''))].slice(0, MOST_REGIONS);
}

/** Reads the address of a frame; null for one that shows nothing that there is. */
export function parse({ parts: [kind, source, target, ...more], params }: Address): Frame | null {
  const common: Common = {
    theme: oneOf(THEMES, params.get('theme')) ?? 'auto',
    protocol: oneOf(PROTOCOLS, params.get('protocol')) ?? 'tcp',
    at: momentOf(params.get('at')),
  };
  const number = {
    percentile: oneOf(PERCENTILES, params.get('percentile')) ?? 'p50',
    window: oneOf(WINDOWS, params.get('window')) ?? '5m',
  };
  if (more.length > 0) return null;
  if (kind === 'matrix' && source === undefined) return { kind, regions: regionsOf(params.get('regions')), ...number, ...common };
  if (source === undefined || target === undefined) return null;
  if (kind === 'number') return { kind, source, target, ...number, ...common };
  if (kind === 'pair') return { kind, source, target, range: oneOf(RANGES, params.get('range')) ?? DEFAULT_RANGE, ...common };
  return null;
}

/** Address of a frame. */
export function embedHref(frame: Frame): string {
  const common = {
    theme: frame.theme === 'auto' ? null : frame.theme,
    protocol: frame.protocol === 'tcp' ? null : frame.protocol,
    at: frame.at === null ? null : momentText(frame.at),
  };
  if (frame.kind === 'pair') {
    return hrefOf(['embed', 'pair', frame.source, frame.target], { range: frame.range === DEFAULT_RANGE ? null : frame.range, ...common });
  }
  const number = { percentile: frame.percentile === 'p50' ? null : frame.percentile, window: frame.window === '5m' ? null : frame.window };
  if (frame.kind === 'number') return hrefOf(['embed', 'number', frame.source, frame.target], { ...number, ...common });
  return hrefOf(['embed', 'matrix'], { regions: frame.regions.join(','), ...number, ...common });
}
