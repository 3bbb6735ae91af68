/** What the page of a pair asks the service for. */

import { get, getMatrix, getSeries, rfc3339, timeOf, type Cell, type Percentile, type Protocol, type Schemas, type SeriesPoint } from '../../api';
import { isMeasured } from '../../lib/matrix';
import { before, columnsOf, type Columns, type Span, type Stepped } from '../../lib/series';
import { WINDOW_MS, type LiveWindow } from '../../lib/words';
import { catalogue } from '../../state/catalogue.svelte';
import { ASKED as HOUR_PERCENTILES } from './hours';
import { ASKED as SPREAD_PERCENTILES } from './spread';

/** One direction of one pair. */
export interface Pair {
  source: string;
  target: string;
  protocol: Protocol;
}

/** Present figures of one direction over one window; null where nothing was measured. */
export interface Figures {
  p50: Cell | null;
  p99: Cell | null;
}

export interface BothFigures {
  there: Figures;
  back: Figures;
  /** Unix ms. */
  asOf: number;
}

/** What the chart draws. */
export interface History extends Stepped {
  columns: Columns;
  /** The p50 of the other direction, and that of the span before; null where they were not asked for. */
  reverse: Columns | null;
  previous: Columns | null;
  /** The oldest first. */
  changes: readonly Schemas['RouteChange'][];
}

/** Round-trip times of both directions over one span. */
export interface Spread {
  there: Schemas['Distribution'];
  back: Schemas['Distribution'];
}

const swapped = ({ source, target, protocol }: Pair): Pair => ({ source: target, target: source, protocol });

async function cellOf(pair: Pair, percentile: Percentile, when: { window: LiveWindow } | { start: string; end: string }, signal: AbortSignal) {
  const { cells, as_of } = await getMatrix({ ...pair, percentile, ...when }, signal);
  const cell = cells.find(({ source, target }) => source === pair.source && target === pair.target);
  return { cell: isMeasured(cell) ? cell : null, asOf: timeOf(as_of) };
}

/** Figures over a rolling window, or over one as long that ended at `end`. */
export async function askFigures(pair: Pair, window: LiveWindow, end: number | null, signal: AbortSignal): Promise<BothFigures> {
  const when = end === null ? { window } : { start: rfc3339(end - WINDOW_MS[window]), end: rfc3339(end) };
  const back = swapped(pair);
  const [p50, p99, back50, back99] = await Promise.all([
    cellOf(pair, 'p50', when, signal),
    cellOf(pair, 'p99', when, signal),
    cellOf(back, 'p50', when, signal),
    cellOf(back, 'p99', when, signal),
  ]);
  return {
    there: { p50: p50.cell, p99: p99.cell },
    back: { p50: back50.cell, p99: back99.cell },
    asOf: end ?? Math.max(p50.asOf, p99.asOf),
  };
}

/** A series on the grid of a span, `shift` ms later than it was. */
async function columns(pair: Pair, { start, end, step }: Stepped, shift: number, signal: AbortSignal): Promise<Columns> {
  const { points, simulated } = await getSeries({ ...pair, start, end, step }, signal);
  catalogue.simulated = simulated;
  const made = columnsOf(points, start, end, step);
  return shift === 0 ? made : { ...made, times: made.times.map((time) => time + shift / 1000) };
}

async function changesOf(pair: Pair, { start, end }: Span, signal: AbortSignal): Promise<Schemas['RouteChange'][]> {
  const query = { ...pair, start: rfc3339(start), end: rfc3339(end), limit: 1000 };
  const { changes } = await get('/api/v1/changes', query, signal);
  return changes.reverse();
}

/** What else is drawn with the percentiles. */
export interface Wanted {
  reverse: boolean;
  previous: boolean;
  steps: boolean;
}

export async function askHistory(pair: Pair, span: Stepped, wanted: Wanted, signal: AbortSignal): Promise<History> {
  const earlier = before(span);
  const [there, reverse, previous, changes] = await Promise.all([
    columns(pair, span, 0, signal),
    wanted.reverse ? columns(swapped(pair), span, 0, signal) : null,
    wanted.previous ? columns(pair, earlier, earlier.shift, signal) : null,
    wanted.steps ? changesOf(pair, span, signal) : [],
  ]);
  return { ...span, columns: there, reverse, previous, changes };
}

export async function askSpread(pair: Pair, { start, end }: Span, signal: AbortSignal): Promise<Spread> {
  const ask = (pair: Pair): Promise<Schemas['Distribution']> => {
    const query = { ...pair, start: rfc3339(start), end: rfc3339(end), percentiles: SPREAD_PERCENTILES.join(','), bins: 1 };
    return get('/api/v1/distribution', query, signal);
  };
  const [there, back] = await Promise.all([ask(pair), ask(swapped(pair))]);
  return { there, back };
}

export async function askLevels(pair: Pair, signal: AbortSignal): Promise<Schemas['Regime'][]> {
  const { regimes } = await get('/api/v1/regimes', pair, signal);
  return regimes;
}

/** The hours of a span, each with what the week is pooled from. */
export async function askHours(pair: Pair, { start, end }: Span, signal: AbortSignal): Promise<SeriesPoint[]> {
  const { points } = await getSeries({ ...pair, start, end, step: 3_600, percentiles: HOUR_PERCENTILES.join(',') }, signal);
  return points;
}
