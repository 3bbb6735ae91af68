/** Names of the choices that several views offer. */

import { PERCENTILES, type Percentile, type Protocol, type Window } from '../api';

/** The rolling windows that every number is live in. */
export const LIVE_WINDOWS = ['5m', '1h', '1d'] as const satisfies readonly Window[];
export type LiveWindow = (typeof LIVE_WINDOWS)[number];

/** What comes after "the last". */
export const WINDOW_WORDS: Record<Window, string> = {
  '5m': '5 min',
  '1h': 'hour',
  '1d': 'day',
  '7d': '7 days',
  '30d': '30 days',
  '365d': 'year',
};

/** Length of a window in ms. */
export const WINDOW_MS: Record<Window, number> = {
  '5m': 300_000,
  '1h': 3_600_000,
  '1d': 86_400_000,
  '7d': 7 * 86_400_000,
  '30d': 30 * 86_400_000,
  '365d': 365 * 86_400_000,
};

const WINDOW_LABELS: Record<Window, string> = { '5m': '5 min', '1h': '1 h', '1d': '1 day', '7d': '7 days', '30d': '30 days', '365d': '1 year' };

/** Windows as the options of a control. */
export function windowOptions<W extends Window>(windows: readonly W[]): { value: W; label: string }[] {
  return windows.map((value) => ({ value, label: WINDOW_LABELS[value] }));
}

export const WINDOW_OPTIONS = windowOptions(LIVE_WINDOWS);

export const PERCENTILE_OPTIONS: readonly { value: Percentile; label: string }[] = PERCENTILES.map((value) => ({
  value,
  label: value,
}));

/** What a probe does. */
export const PROTOCOL_WORDS: Record<Protocol, string> = {
  tcp: 'TCP handshake',
  tls: 'TLS handshake',
  https: 'HTTPS request',
  icmp: 'ICMP echo',
  udp: 'UDP echo',
};

/** Clouds, as their makers write them. */
const PROVIDER_NAMES: Record<string, string> = { aws: 'AWS', azure: 'Azure', gcp: 'Google Cloud', oci: 'Oracle Cloud' };

/** A provider's name; its id where it is none that is known. */
export function providerName(id: string): string {
  return PROVIDER_NAMES[id] ?? id;
}
