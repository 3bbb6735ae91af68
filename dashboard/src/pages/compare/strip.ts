/** All differences as dots along one axis. Pure. */

import * as format from '../../lib/format';
import type { Difference } from './differences';

/** Between these the axis is even, beyond them it goes by powers of ten: most differences are small, and a few are great. */
const EVEN_MS = 0.1;
const TICKS_MS = [0.1, 1, 10, 100, 1000];
/** Width of a dot and of a column of dots, px. */
const DOT = 3;

/** Place of a difference on an axis that is even near zero and logarithmic beyond. */
export function scaled(ms: number): number {
  return Math.sign(ms) * Math.log10(1 + Math.abs(ms) / EVEN_MS);
}

export interface Strip {
  /** Dots of what exceeds the noise, and of what does not, as the `d` of paths with round ends. */
  beyond: string;
  within: string;
  ticks: { x: number; ms: number }[];
}

/** Stacks the dots of each column upward; where a stack would be higher than the strip all are moved together. */
export function stripOf(pairs: readonly Pick<Difference, 'delta_ms' | 'exceeds_noise'>[], width: number, height: number): Strip {
  const most = Math.max(1, ...pairs.map(({ delta_ms }) => Math.abs(delta_ms)));
  const place = (ms: number): number => width / 2 + (scaled(ms) / scaled(most)) * (width / 2 - 2 * DOT);
  const columns = new Map<number, boolean[]>();
  for (const { delta_ms, exceeds_noise } of pairs) {
    const column = Math.round(place(delta_ms) / DOT);
    columns.set(column, [...(columns.get(column) ?? []), exceeds_noise === true]);
  }
  const highest = Math.max(1, ...[...columns.values()].map((column) => column.length));
  const rise = Math.min(DOT, (height - DOT) / highest);
  const paths = { beyond: '', within: '' };
  for (const [column, dots] of columns) {
    dots
      .sort((one, other) => Number(other) - Number(one))
      .forEach((beyond, index) => {
        paths[beyond ? 'beyond' : 'within'] += `M${column * DOT} ${(height - DOT / 2 - index * rise).toFixed(1)}h0`;
      });
  }
  const reached = TICKS_MS.filter((ms) => ms <= most);
  return { ...paths, ticks: [...reached.map((ms) => -ms).reverse(), 0, ...reached].map((ms) => ({ ms, x: place(ms) })) };
}

/** What the strip says in words. */
export function stripSays(pairs: readonly Pick<Difference, 'delta_ms' | 'exceeds_noise'>[], signed: (ms: number) => string): string {
  if (pairs.length === 0) return 'No pair has a number on both sides.';
  const beyond = pairs.filter(({ exceeds_noise }) => exceeds_noise === true);
  const grown = beyond.filter(({ delta_ms }) => delta_ms > 0).length;
  const all = pairs.map(({ delta_ms }) => delta_ms);
  const range = `from ${signed(Math.min(...all))} to ${signed(Math.max(...all))} ms`;
  return `${format.count(pairs.length)} pairs, ${range}; ${format.count(beyond.length)} differ by more than chance explains: ${format.count(grown)} slower, ${format.count(beyond.length - grown)} faster on side B.`;
}
