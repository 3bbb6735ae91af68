/** Everything the pair page shows, as reactive state: each part an answer of its own, which stays when the next cannot be had. */

import type { Schemas, SeriesPoint } from '../api';
import { serverClock } from '../lib/clock';
import { spanOf, stepped, shapeOf, type Range, type Span } from '../lib/series';
import { LIVE_WINDOWS, type LiveWindow } from '../lib/words';
import {
  askFigures,
  askHistory,
  askHours,
  askLevels,
  askSpread,
  type BothFigures,
  type History,
  type Pair,
  type Spread,
  type Wanted,
} from '../pages/pair/requests';
import { Answer } from './answer.svelte';
import type { FeedStatus } from './feed';

/** How often the figures of each window are asked for, in ms: long windows change slowly. */
const REFRESH: Record<LiveWindow, number> = { '5m': 5_000, '1h': 15_000, '1d': 60_000 };
const SPREAD_MS = 30_000;
const LEVELS_MS = 60_000;
const HOURS_MS = 600_000;
/** The past changes by what comes in late: at first within minutes, then hardly ever. */
const RECENT_MS = 600_000;
const SETTLING_MS = 30_000;
const PAST_MS = 3_600_000;

/** How often to ask for what ended at `end`. */
function pastPeriod(end: number): number {
  return serverClock.at(Date.now()) - end < RECENT_MS ? SETTLING_MS : PAST_MS;
}

/** The span of the week's hours: four of each. */
export const WEEKS_MS = 28 * 86_400_000;

/** A span that moves with the present, or one that stays. */
export type When = { range: Range } | { span: Span };

/** What tells of which choice an answer is, so that it is dimmed under another. */
export type Of<T> = T & { when: When };

/** The history of a pair, asked for again as often as its range tells. */
export function followHistory(into: Answer<Of<History>>, pair: Pair, when: When, wanted: Wanted): () => void {
  return into.follow(
    async (signal) => {
      const span = 'span' in when ? stepped(when.span) : spanOf(when.range, serverClock.at(Date.now()));
      return { ...(await askHistory(pair, span, wanted, signal)), when };
    },
    'span' in when ? pastPeriod(when.span.end) : shapeOf(when.range).refresh,
    ({ end }) => end,
  );
}

export class PairModel {
  readonly figures: Record<LiveWindow, Answer<BothFigures>> = { '5m': new Answer(), '1h': new Answer(), '1d': new Answer() };
  readonly history = new Answer<Of<History>>();
  readonly spread = new Answer<Of<Spread>>();
  readonly levels = new Answer<Schemas['Regime'][]>();
  readonly hours = new Answer<SeriesPoint[]>();
  readonly #all: readonly Pick<Answer<unknown>, 'error' | 'asOf' | 'retry' | 'clear'>[] = [
    ...LIVE_WINDOWS.map((window) => this.figures[window]),
    this.history,
    this.spread,
    this.levels,
    this.hours,
  ];

  get error(): string | null {
    return this.#all.find(({ error }) => error !== null)?.error ?? null;
  }

  /** Of the newest figures, Unix ms; 0 before the first. */
  get asOf(): number {
    return this.figures['5m'].asOf;
  }

  /** Of the newest figures, ms. */
  get period(): number {
    return this.figures['5m'].period;
  }

  get status(): FeedStatus {
    if (this.error !== null) return 'failed';
    return this.asOf === 0 && this.history.data === null ? 'connecting' : 'polling';
  }

  /** Asks again for what failed. */
  retry(): void {
    for (const part of this.#all) if (part.error !== null) part.retry();
  }

  /** Keeps the figures of a pair up to date: those of now, or those that ended at `end`. Returns the function that stops it. */
  followFigures(pair: Pair, end: number | null): () => void {
    const stops = LIVE_WINDOWS.map((window) =>
      this.figures[window].follow(
        (signal) => askFigures(pair, window, end, signal),
        end === null ? REFRESH[window] : pastPeriod(end),
        ({ asOf }) => asOf,
      ),
    );
    return () => stops.forEach((stop) => stop());
  }

  followSpread(pair: Pair, when: When): () => void {
    const period = 'span' in when ? pastPeriod(when.span.end) : Math.max(SPREAD_MS, shapeOf(when.range).refresh);
    const span = (): Span => ('span' in when ? when.span : spanOf(when.range, serverClock.at(Date.now())));
    return this.spread.follow(async (signal) => ({ ...(await askSpread(pair, span(), signal)), when }), period);
  }

  followLevels(pair: Pair): () => void {
    return this.levels.follow((signal) => askLevels(pair, signal), LEVELS_MS);
  }

  /** The hours of the four weeks before `end`, or before now. */
  followHours(pair: Pair, end: number | null): () => void {
    return this.hours.follow(
      (signal) => {
        const until = end ?? serverClock.at(Date.now());
        return askHours(pair, { start: until - WEEKS_MS, end: until }, signal);
      },
      end === null ? HOURS_MS : PAST_MS,
    );
  }

  /** Forgets another pair's numbers. */
  clear(): void {
    for (const part of this.#all) part.clear();
  }
}
