/** Names of the choices that several views offer. */

import { PERCENTILES, type Percentile, type Window } from '../api';

/** What comes after "the last". */
export const WINDOW_WORDS: Record<Window, string> = { '5m': '5 min', '1h': 'hour', '1d': 'day' };

export const WINDOW_OPTIONS: readonly { value: Window; label: string }[] = [
  { value: '5m', label: '5 min' },
  { value: '1h', label: '1 h' },
  { value: '1d', label: '1 day' },
];

export const PERCENTILE_OPTIONS: readonly { value: Percentile; label: string }[] = PERCENTILES.map((value) => ({
  value,
  label: value,
}));
