/** What the page of a pair keeps in the address bar. */

import { PROTOCOLS, type Protocol } from '../../api';
import { hrefOf, momentOf, momentText, oneOf, type Address } from '../../lib/address';
import { RANGES, shapeOf, type Range, type Span } from '../../lib/series';

/** What can be drawn over the percentiles of one direction. */
export const OVERLAYS = ['steps', 'reverse', 'previous', 'floor'] as const;
export type Overlay = (typeof OVERLAYS)[number];

/** State of the pair page. */
export interface PairState {
  source: string;
  target: string;
  range: Range;
  protocol: Protocol;
  /** The end of the range; null while it is the present. */
  at: number | null;
  /** What was zoomed to: it stands in the place of the range. */
  span: Span | null;
  show: readonly Overlay[];
}

export const DEFAULT_RANGE: Range = '1h';
const DEFAULT_SHOW: readonly Overlay[] = ['steps'];
/** An empty list, which is not the default. */
const NOTHING = 'none';

const MINUTE_MS = 60_000;
export const LEAST_SPAN_MS = 5 * MINUTE_MS;
export const MOST_SPAN_MS = 3 * 366 * 86_400_000;

/** A moment in whole minutes, as the record has them. */
function minuteOf(text: string | null): number | null {
  const moment = momentOf(text);
  return moment === null ? null : Math.floor(moment / MINUTE_MS) * MINUTE_MS;
}

function spanOf(params: URLSearchParams): Span | null {
  const [start, end] = [minuteOf(params.get('start')), minuteOf(params.get('end'))];
  if (start === null || end === null || end - start < LEAST_SPAN_MS || end - start > MOST_SPAN_MS) return null;
  return { start, end };
}

function showOf(text: string | null): readonly Overlay[] {
  if (text === null) return DEFAULT_SHOW;
  const names = text.split(',');
  const known = OVERLAYS.filter((overlay) => names.includes(overlay));
  return known.length > 0 || text === NOTHING ? known : DEFAULT_SHOW;
}

/** Reads the state of the page; its path has both names. */
export function parse({ parts: [source = '', target = ''], params }: Address): PairState {
  return {
    source,
    target,
    range: oneOf(RANGES, params.get('range')) ?? DEFAULT_RANGE,
    protocol: oneOf(PROTOCOLS, params.get('protocol')) ?? 'tcp',
    at: minuteOf(params.get('at')),
    span: spanOf(params),
    show: showOf(params.get('show')),
  };
}

/** Address of a pair's page; what is not given is the default. */
export function pairHref(state: Pick<PairState, 'source' | 'target'> & Partial<PairState>): string {
  const { source, target, range = DEFAULT_RANGE, protocol = 'tcp', at = null, span = null, show = DEFAULT_SHOW } = state;
  const shown = OVERLAYS.filter((overlay) => show.includes(overlay)).join(',') || NOTHING;
  return hrefOf(['pair', source, target], {
    range: range === DEFAULT_RANGE ? null : range,
    at: at === null || span !== null ? null : momentText(at),
    start: span && momentText(span.start),
    end: span && momentText(span.end),
    protocol: protocol === 'tcp' ? null : protocol,
    show: shown === DEFAULT_SHOW.join(',') ? null : shown,
  });
}

/** The end of what is shown; null while it moves with the present. */
export function fixedEnd({ at, span }: Pick<PairState, 'at' | 'span'>): number | null {
  return span?.end ?? at;
}

/** The span that is shown when it is `now`. */
export function shownSpan({ range, at, span }: Pick<PairState, 'range' | 'at' | 'span'>, now: number): Span {
  if (span !== null) return span;
  const end = at ?? now;
  return { start: end - shapeOf(range).seconds * 1000, end };
}

/** The same view with its end fixed, so that it shows the same for ever. */
export function frozen(state: PairState, now: number): PairState {
  return fixedEnd(state) === null ? { ...state, at: Math.floor(now / MINUTE_MS) * MINUTE_MS } : state;
}
