/** What the map says in words. Pure. */

import * as format from '../../lib/format';
import { LEASTS, type MapState, type Show } from './address';
import type { Pair } from './pairs';

/** Names of the filters. */
export const SHOW_OPTIONS: readonly { value: Show; label: string }[] = [
  { value: 'detour', label: 'Detours' },
  { value: 'loss', label: 'Losing' },
  { value: 'near', label: 'Closest' },
  { value: 'all', label: 'All' },
];

const THRESHOLDS: Record<Show, (least: number) => string> = {
  detour: (least) => `${least} × light in fibre, or more`,
  loss: (least) => `${least} % lost, or more`,
  near: (least) => (least === 1 ? 'the closest of each region' : `the ${least} closest of each region`),
  all: () => 'every pair',
};

/** A threshold in words. */
export function threshold(show: Show, least: number): string {
  return THRESHOLDS[show](least);
}

/** The thresholds of a filter, from the least, as options. */
export function thresholdOptions(show: Show): { value: number; label: string }[] {
  return [...LEASTS[show]].sort((one, other) => one - other).map((value) => ({ value, label: threshold(show, value) }));
}

/** What is drawn. */
export function drawn(shown: number, all: number, { show, least, region }: MapState): string {
  const of = region === '' ? threshold(show, least) : `those of ${region}`;
  return `${format.count(shown)} of ${format.count(all)} pairs are drawn: ${of}`;
}

/** A place as its pairs have it. */
export function placeSays(pairs: readonly Pair[], id: string): string {
  const own = pairs.filter(({ a, b }) => a === id || b === id);
  const answered = own.flatMap(({ rtt_ms }) => (rtt_ms === null ? [] : [rtt_ms]));
  if (own.length === 0) return 'not measured';
  if (answered.length === 0) return 'no answer';
  const lossy = own.filter(({ loss }) => loss >= 0.01).length;
  const range = `${format.bareMs(Math.min(...answered))} to ${format.ms(Math.max(...answered))} over ${answered.length} pairs`;
  return lossy === 0 ? range : `${range}, ${lossy} of them losing 1 % or more`;
}

/** True when a place is measured and never answers. */
export function isSilent(pairs: readonly Pair[], id: string): boolean {
  const own = pairs.filter(({ a, b }) => a === id || b === id);
  return own.length > 0 && own.every(({ rtt_ms }) => rtt_ms === null);
}
