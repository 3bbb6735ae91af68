/** What the map keeps in the address bar. Defaults are left out. */

import { PERCENTILES, type Percentile } from '../../api';
import { hrefOf, momentOf, momentText, oneOf, type Address } from '../../lib/address';
import { LIVE_WINDOWS, type LiveWindow } from '../../lib/words';

/** What the colours say. */
export const COLOURS = ['latency', 'loss'] as const;
export type Colour = (typeof COLOURS)[number];

/** Which pairs are drawn: those far above the fibre floor, those that lose, the closest of each region, or all. */
export const SHOWS = ['detour', 'loss', 'near', 'all'] as const;
export type Show = (typeof SHOWS)[number];

/** From where on a pair is drawn: the multiple of the fibre floor, the percentage lost, and how many of each region. The first is the default. */
export const LEASTS: Record<Show, readonly number[]> = { detour: [1.5, 1.25, 1.75, 2, 2.5, 3, 5], loss: [1, 0.1, 0.5, 2, 5, 20], near: [3, 1, 2, 5], all: [0] };

/** State of the map. */
export interface MapState {
  percentile: Percentile;
  window: LiveWindow;
  /** Where the window ends, Unix ms; null for now. */
  at: number | null;
  colour: Colour;
  show: Show;
  /** One of {@link LEASTS}. */
  least: number;
  /** The region whose pairs alone are drawn; empty for all. */
  region: string;
}

export const DEFAULT_MAP: MapState = { percentile: 'p50', window: '5m', at: null, colour: 'latency', show: 'detour', least: 1.5, region: '' };

/** The threshold that a filter starts with. */
export function leastOf(show: Show): number {
  return LEASTS[show][0] ?? 0;
}

/** Reads the state of the map. What is not understood becomes the default. */
export function parse({ params }: Address): MapState {
  const show = oneOf(SHOWS, params.get('show')) ?? DEFAULT_MAP.show;
  const least = params.get('least');
  return {
    percentile: oneOf(PERCENTILES, params.get('percentile')) ?? DEFAULT_MAP.percentile,
    window: oneOf(LIVE_WINDOWS, params.get('window')) ?? DEFAULT_MAP.window,
    at: momentOf(params.get('at')),
    colour: oneOf(COLOURS, params.get('colour')) ?? DEFAULT_MAP.colour,
    show,
    least: LEASTS[show].find((value) => String(value) === least) ?? leastOf(show),
    region: params.get('region') ?? '',
  };
}

/** Address of the map in a state. */
export function mapHref({ percentile, window, at, colour, show, least, region }: MapState): string {
  return hrefOf(['map'], {
    percentile: percentile === DEFAULT_MAP.percentile ? null : percentile,
    window: window === DEFAULT_MAP.window ? null : window,
    at: at === null ? null : momentText(at),
    colour: colour === DEFAULT_MAP.colour ? null : colour,
    show: show === DEFAULT_MAP.show ? null : show,
    least: least === leastOf(show) ? null : String(least),
    region,
  });
}
