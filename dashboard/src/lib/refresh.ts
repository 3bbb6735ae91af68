/** How often numbers of a window are asked for: those of long windows change slowly. */

import type { Window } from '../api';

const REFRESH_MS: Record<Window, number> = { '5m': 5_000, '1h': 15_000, '1d': 60_000, '7d': 300_000, '30d': 300_000, '365d': 300_000 };

/** Numbers of the past do not change, but for what comes late; and a request that failed is to be made again. */
const PAST_MS = 60_000;

/** Time between two requests, ms. */
export function refreshOf(window: Window, at: number | null): number {
  return at === null ? REFRESH_MS[window] : PAST_MS;
}
