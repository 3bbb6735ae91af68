/** The week's hours: what was measured at the same hour of the same weekday, pooled. Pure. */

import type { SeriesPoint } from '../../api';

/** Percentiles that each hour is asked for beside those that every window has: none is then more than 10 from the next. */
export const ASKED = ['p20', 'p30', 'p40', 'p60', 'p70', 'p80'] as const;

/** Monday first. */
export const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;
const HOURS = 24;

/** One hour of the week. */
export interface HourCell {
  /** Index into {@link WEEKDAYS}. */
  day: number;
  hour: number;
  /** The median of all its samples; null where none was answered. */
  p50: number | null;
  count: number;
  sent: number;
  lost: number;
  /** How many hours it is pooled from. */
  hours: number;
}

/** A point of a distribution function: a share of the samples is at or below so many ms. */
type Knot = readonly [ms: number, share: number];

function knotsOf(point: SeriesPoint): Knot[] {
  const asked = point.percentiles.map(({ percentile, rtt_ms }): [number | null, number] => [rtt_ms, Number(percentile.slice(1)) / 100]);
  const all: [number | null, number][] = [
    [point.min_ms, 0],
    [point.p10_ms, 0.1],
    [point.p25_ms, 0.25],
    [point.p50_ms, 0.5],
    [point.p75_ms, 0.75],
    [point.p90_ms, 0.9],
    [point.p99_ms, 0.99],
    [point.max_ms, 1],
    ...asked,
  ];
  return all.filter((knot): knot is [number, number] => knot[0] !== null).sort((one, other) => one[1] - other[1]);
}

/** Share of the samples at or below `ms`, by straight lines between the knots. */
function shareBelow(knots: readonly Knot[], ms: number): number {
  const above = knots.findIndex(([value]) => value > ms);
  if (above === -1) return 1;
  const [to, from] = [knots[above], knots[above - 1]];
  if (to === undefined || from === undefined) return 0;
  return from[1] + ((to[1] - from[1]) * (ms - from[0])) / (to[0] - from[0]);
}

const HALVINGS = 40;

/**
 * The median of the samples of several windows together. A median of their medians would be no median of anything; this one
 * mixes their distribution functions by their counts, which are known at the knots, so its rank is off by less than
 * the widest step between two knots.
 */
export function pooledMedian(points: readonly SeriesPoint[]): number | null {
  const parts = points.filter(({ count }) => count > 0).map((point) => ({ weight: point.count, knots: knotsOf(point) }));
  if (parts.length === 0) return null;
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  let low = Math.min(...parts.map(({ knots }) => knots[0]?.[0] ?? Infinity));
  let high = Math.max(...parts.map(({ knots }) => knots.at(-1)?.[0] ?? -Infinity));
  for (let turn = 0; turn < HALVINGS; turn += 1) {
    const middle = (low + high) / 2;
    const below = parts.reduce((sum, { weight, knots }) => sum + weight * shareBelow(knots, middle), 0);
    if (below < total / 2) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The place in the week of a time, by the clock of a zone. */
function placer(timeZone: string): (time: number) => number {
  const format = new Intl.DateTimeFormat('en-GB', { weekday: 'short', hour: '2-digit', hourCycle: 'h23', timeZone });
  return (time) => {
    const parts = format.formatToParts(time);
    const text = (type: string): string => parts.find((part) => part.type === type)?.value ?? '';
    return WEEKDAYS.findIndex((day) => day === text('weekday')) * HOURS + Number(text('hour'));
  };
}

/** All 168 hours of the week, Monday's first hour first. An hour belongs where it begins. */
export function weekOf(points: readonly SeriesPoint[], timeZone: string): HourCell[] {
  const place = placer(timeZone);
  const members = Array.from({ length: WEEKDAYS.length * HOURS }, (): SeriesPoint[] => []);
  for (const point of points) members[place(Date.parse(point.time))]?.push(point);
  return members.map((pooled, index) => ({
    day: Math.floor(index / HOURS),
    hour: index % HOURS,
    p50: pooledMedian(pooled),
    count: pooled.reduce((sum, { count }) => sum + count, 0),
    sent: pooled.reduce((sum, { sent }) => sum + sent, 0),
    lost: pooled.reduce((sum, { lost }) => sum + lost, 0),
    hours: pooled.length,
  }));
}

/**
 * Lower bounds, in ms over the pair's best hour, of the classes that are painted as those of the heat scale. One pair's
 * hours would nearly all be in one class of the scale itself. They are fixed, so a colour means the same for every pair.
 */
export const EXCESS_EDGES_MS = [0, 0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 11, 15, 20, 30, 45, 60] as const;

/** The class of so many ms over the best hour. */
export function excessClass(ms: number): number {
  return EXCESS_EDGES_MS.findLastIndex((edge) => ms >= edge);
}

/** The least p50 of a week; null without any. */
export function bestOf(cells: readonly HourCell[]): number | null {
  const known = cells.flatMap(({ p50 }) => (p50 === null ? [] : [p50]));
  return known.length === 0 ? null : Math.min(...known);
}

/** Fewer than this cannot carry a median (n < 10/(1-q)). */
export const LEAST_COUNT = 20;
