/** The quantile function of a pair: its percentiles, their axis, and the line through them. Pure. */

import type { Schemas } from '../../api';

/** Percentiles that are drawn: close together in the bulk, and evenly along the axis of the tail. */
export const ASKED: readonly string[] = [
  ...Array.from({ length: 18 }, (_, index) => `p${(index + 1) * 5}`),
  ...['p92', 'p94', 'p95', 'p96', 'p97', 'p98', 'p98.5', 'p99', 'p99.2', 'p99.4', 'p99.5', 'p99.6', 'p99.7', 'p99.8', 'p99.85', 'p99.9'],
  ...['p99.92', 'p99.94', 'p99.96', 'p99.98', 'p99.99'],
];

/** The ticks of the axis, each with what share of the samples is slower. */
export const TICKS = [
  { percentile: 'p50', slower: '50 %' },
  { percentile: 'p90', slower: '10 %' },
  { percentile: 'p99', slower: '1 %' },
  { percentile: 'p99.9', slower: '0.1 %' },
  { percentile: 'p99.99', slower: '0.01 %' },
] as const;

/** The share of samples below a percentile, 0 to 1. */
export function shareOf(percentile: string): number {
  return Number(percentile.slice(1)) / 100;
}

/** Where a percentile stands on the axis: every tenth part of the tail takes as much room as the one before. */
export function depthOf(percentile: string): number {
  return -Math.log10(1 - shareOf(percentile));
}

export interface SpreadPoint {
  percentile: string;
  depth: number;
  ms: number;
  /** Too few samples carry it. */
  low: boolean;
}

/** The points of a direction that are of some sample: beyond one sample in all there is only the greatest. */
export function pointsOf({ count, percentiles }: Pick<Schemas['Distribution'], 'count' | 'percentiles'>): SpreadPoint[] {
  return percentiles.flatMap(({ percentile, rtt_ms, low_count }) =>
    rtt_ms === null || (1 - shareOf(percentile)) * count < 0.999
      ? []
      : [{ percentile, depth: depthOf(percentile), ms: rtt_ms, low: low_count }],
  );
}

/** The percentile from which on too few samples carry it; null where all are carried. */
export function firstLow(points: readonly SpreadPoint[]): string | null {
  return points.find(({ low, depth }) => low && depth > depthOf('p50'))?.percentile ?? null;
}

/** The points in two parts that meet: what the count carries, and what it does not. */
export function carried(points: readonly SpreadPoint[]): { solid: SpreadPoint[]; faint: SpreadPoint[] } {
  const last = points.findLastIndex(({ low }) => !low);
  return { solid: points.slice(0, last + 1), faint: points.slice(Math.max(0, last)) };
}

/** An SVG path through the points. */
export function pathOf(points: readonly SpreadPoint[], x: (depth: number) => number, y: (ms: number) => number): string {
  return points.map(({ depth, ms }, index) => `${index === 0 ? 'M' : 'L'}${x(depth).toFixed(1)} ${y(ms).toFixed(1)}`).join('');
}

/** Round values between two, at most `most` and some. */
export function roundTicks(low: number, high: number, most: number): number[] {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? 10 * power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}
