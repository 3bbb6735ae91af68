/** The series as data: which windows a range asks for, and the columns that a chart draws. Pure. */

import type { SeriesPoint } from '../api';

export const RANGES = ['15m', '1h', '6h', '24h'] as const;
export type Range = (typeof RANGES)[number];

interface RangeShape {
  /** Length of the range in seconds. */
  seconds: number;
  /** Length of one window in seconds. */
  step: number;
  /** How often the chart asks again, in ms. */
  refresh: number;
}

const SHAPES: Record<Range, RangeShape> = {
  '15m': { seconds: 15 * 60, step: 60, refresh: 5_000 },
  '1h': { seconds: 3_600, step: 60, refresh: 5_000 },
  '6h': { seconds: 6 * 3_600, step: 300, refresh: 15_000 },
  '24h': { seconds: 24 * 3_600, step: 900, refresh: 30_000 },
};

export function shapeOf(range: Range): RangeShape {
  return SHAPES[range];
}

/** The span to ask for, in Unix ms: whole windows up to the present one. */
export function spanOf(range: Range, now: number): { start: number; end: number; step: number } {
  const { seconds, step } = SHAPES[range];
  const stepMs = step * 1000;
  return { start: Math.floor((now - seconds * 1000) / stepMs) * stepMs, end: now, step };
}

/** Columns of a percentile-band chart. All have one entry a window of the span; null where nothing is known. */
export interface Columns {
  /** Start of each window, Unix seconds. */
  times: number[];
  p10: (number | null)[];
  p25: (number | null)[];
  p50: (number | null)[];
  p75: (number | null)[];
  p90: (number | null)[];
  p99: (number | null)[];
  /** Percent lost. */
  loss: (number | null)[];
  /** The window itself, for the figures beside the chart. */
  points: (SeriesPoint | null)[];
}

/** Share of the sent probes that were lost, 0 to 1. */
export function lossOf(point: SeriesPoint): number {
  return point.sent === 0 ? 0 : point.lost / point.sent;
}

/**
 * Lays points out on the grid of their span. Windows without data become null, so that a gap in
 * the record is a gap in the chart and never a line drawn across it.
 */
export function columnsOf(points: readonly SeriesPoint[], start: number, end: number, stepSeconds: number): Columns {
  const byTime = new Map(points.map((point) => [Date.parse(point.time), point]));
  const columns: Columns = { times: [], p10: [], p25: [], p50: [], p75: [], p90: [], p99: [], loss: [], points: [] };
  for (let time = start; time < end; time += stepSeconds * 1000) {
    const point = byTime.get(time) ?? null;
    columns.times.push(time / 1000);
    columns.p10.push(point?.p10_ms ?? null);
    columns.p25.push(point?.p25_ms ?? null);
    columns.p50.push(point?.p50_ms ?? null);
    columns.p75.push(point?.p75_ms ?? null);
    columns.p90.push(point?.p90_ms ?? null);
    columns.p99.push(point?.p99_ms ?? null);
    columns.loss.push(point === null || point.sent === 0 ? null : lossOf(point) * 100);
    columns.points.push(point);
  }
  return columns;
}

/**
 * Bounds of the latency axis: the data with a margin, and never so narrow that the
 * instrument's own error (some hundredths of a millisecond) looks like an event.
 */
export function axisBounds(low: number, high: number): [number, number] {
  const least = Math.max(0.5, high * 0.01);
  const middle = (low + high) / 2;
  const half = Math.max((high - low) * 1.1, least) / 2;
  return [Math.max(0, middle - half), middle + half];
}
