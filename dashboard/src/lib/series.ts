/** The series as data: which windows a range asks for, and the columns that a chart draws. Pure. */

import type { SeriesPoint } from '../api';

export const RANGES = ['15m', '1h', '6h', '24h', '7d', '30d', '1y'] as const;
export type Range = (typeof RANGES)[number];

interface RangeShape {
  /** Length of the range in seconds. */
  seconds: number;
  /** How often the chart asks again, in ms. */
  refresh: number;
}

const DAY = 86_400;

const SHAPES: Record<Range, RangeShape> = {
  '15m': { seconds: 15 * 60, refresh: 5_000 },
  '1h': { seconds: 3_600, refresh: 5_000 },
  '6h': { seconds: 6 * 3_600, refresh: 15_000 },
  '24h': { seconds: DAY, refresh: 30_000 },
  '7d': { seconds: 7 * DAY, refresh: 120_000 },
  '30d': { seconds: 30 * DAY, refresh: 300_000 },
  '1y': { seconds: 365 * DAY, refresh: 600_000 },
};

export function shapeOf(range: Range): RangeShape {
  return SHAPES[range];
}

/** A span of time: Unix ms, the end exclusive. */
export interface Span {
  start: number;
  end: number;
}

/** A span with the length of its windows, in seconds. */
export interface Stepped extends Span {
  step: number;
}

/** A chart has at most this many windows: more are finer than its pixels. */
export const MOST_WINDOWS = 500;

/** Lengths of windows, seconds. Whole hours are read from rollups, shorter ones from every sample: there is nothing between. */
const STEPS = [60, 120, 300, 600, 3_600, 2 * 3_600, 6 * 3_600, 12 * 3_600, DAY, 7 * DAY];

/** The shortest window with which a span of so many seconds is no more than a chart can show. */
export function stepOf(seconds: number): number {
  return STEPS.find((step) => seconds / step <= MOST_WINDOWS) ?? 30 * DAY;
}

/** A span in windows of its own, from the start of a whole one. */
export function stepped({ start, end }: Span): Stepped {
  const step = stepOf((end - start) / 1000);
  const stepMs = step * 1000;
  return { start: Math.floor(start / stepMs) * stepMs, end, step };
}

/** The span to ask for: whole windows up to the present one. */
export function spanOf(range: Range, now: number): Stepped {
  return stepped({ start: now - SHAPES[range].seconds * 1000, end: now });
}

/** The span just before one, in the same windows. */
export function before({ start, end, step }: Stepped): Stepped & { shift: number } {
  const stepMs = step * 1000;
  const shift = Math.ceil((end - start) / stepMs) * stepMs;
  return { start: start - shift, end: end - shift, step, shift };
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

/** Where each window is drawn, Unix seconds: in its middle, for its numbers are of all of it; the newest is not yet over. */
export function middles({ times }: Pick<Columns, 'times'>, { end, step }: Stepped): number[] {
  return times.map((time) => time + Math.min(step, end / 1000 - time) / 2);
}

/** The top of the axis of so much loss, in percent: a single lost probe must not look like an outage. */
export function lossTop(most: number): number {
  return Math.min(100, Math.max(5, Math.ceil(most * 1.1)));
}

/** The loss as it is drawn: whatever is not zero is tall enough to be seen. */
export function seenLoss(loss: readonly (number | null)[]): (number | null)[] {
  const least = lossTop(Math.max(0, ...loss.map((share) => share ?? 0))) * 0.06;
  return loss.map((share) => (share === null || share === 0 ? share : Math.max(share, least)));
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
