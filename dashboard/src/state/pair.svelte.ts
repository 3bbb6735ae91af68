/** Everything the pair page shows, as reactive state: present figures of both directions, and the history of one. */

import { getMatrix, getSeries, isAbort, timeOf, type Cell, type Percentile } from '../api';
import { serverClock } from '../lib/clock';
import { isMeasured } from '../lib/matrix';
import { columnsOf, shapeOf, spanOf, type Columns, type Range } from '../lib/series';
import type { LiveWindow } from '../lib/words';
import { catalogue } from './catalogue.svelte';
import type { FeedStatus } from './feed';
import { repeat } from './repeat';

/** The percentiles among the figures. */
const FIGURES = ['p50', 'p99'] as const satisfies readonly Percentile[];

/** How often the figures of each window are asked for, in ms: long windows change slowly. */
const REFRESH: Record<LiveWindow, number> = { '5m': 5_000, '1h': 15_000, '1d': 60_000 };

/** Present figures of one direction over one window; null before they are known or where nothing was measured. */
export interface Figures {
  p50: Cell | null;
  p99: Cell | null;
}

const UNKNOWN: Figures = { p50: null, p99: null };

/** The history under the chart. */
export interface History {
  range: Range;
  /** Unix ms. */
  start: number;
  end: number;
  /** Seconds. */
  step: number;
  columns: Columns;
}

async function figures(source: string, target: string, window: LiveWindow, signal: AbortSignal): Promise<Figures & { asOf: number }> {
  const answers = await Promise.all(FIGURES.map((percentile) => getMatrix({ percentile, window, source, target }, signal)));
  const [p50, p99] = answers.map(
    ({ cells }) => cells.find((cell) => cell.source === source && cell.target === target && isMeasured(cell)) ?? null,
  );
  const asOf = Math.max(...answers.map((answer) => timeOf(answer.as_of)));
  return { p50: p50 ?? null, p99: p99 ?? null, asOf };
}

export class PairModel {
  there = $state.raw<Record<LiveWindow, Figures>>({ '5m': UNKNOWN, '1h': UNKNOWN, '1d': UNKNOWN });
  back = $state.raw<Record<LiveWindow, Figures>>({ '5m': UNKNOWN, '1h': UNKNOWN, '1d': UNKNOWN });
  history = $state.raw<History | null>(null);
  /** Unix ms; 0 before the first answer. */
  asOf = $state(0);
  /** Why the last request of each kind failed. */
  errors = $state.raw<Record<string, string>>({});

  get error(): string | null {
    return Object.values(this.errors)[0] ?? null;
  }

  get status(): FeedStatus {
    if (this.error !== null) return 'failed';
    return this.asOf === 0 && this.history === null ? 'connecting' : 'polling';
  }

  /** Keeps the figures of a pair up to date. Returns the function that stops it. */
  followFigures(source: string, target: string): () => void {
    const stops = (Object.keys(REFRESH) as LiveWindow[]).map((window) =>
      repeat(
        (signal) =>
          this.#attempt(`figures ${window}`, async () => {
            const [there, back] = await Promise.all([
              figures(source, target, window, signal),
              figures(target, source, window, signal),
            ]);
            if (signal.aborted) return;
            this.there = { ...this.there, [window]: there };
            this.back = { ...this.back, [window]: back };
            this.asOf = Math.max(this.asOf, there.asOf);
          }),
        REFRESH[window],
      ),
    );
    return () => stops.forEach((stop) => stop());
  }

  /** Keeps the history of a pair up to date. Returns the function that stops it. */
  followHistory(source: string, target: string, range: Range): () => void {
    return repeat(
      (signal) =>
        this.#attempt('history', async () => {
          const { start, end, step } = spanOf(range, serverClock.at(Date.now()));
          const series = await getSeries({ source, target, start, end, step }, signal);
          if (signal.aborted) return;
          catalogue.simulated = series.simulated;
          this.history = { range, start, end, step, columns: columnsOf(series.points, start, end, step) };
        }),
      shapeOf(range).refresh,
    );
  }

  /** Forgets another pair's numbers. */
  clear(): void {
    this.there = this.back = { '5m': UNKNOWN, '1h': UNKNOWN, '1d': UNKNOWN };
    this.history = null;
    this.asOf = 0;
    this.errors = {};
  }

  async #attempt(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      if (!(name in this.errors)) return;
      const { [name]: _, ...rest } = this.errors;
      this.errors = rest;
    } catch (error) {
      if (isAbort(error)) return;
      this.errors = { ...this.errors, [name]: error instanceof Error ? error.message : String(error) };
    }
  }
}
