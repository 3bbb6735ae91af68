/** What the charts of a pair say: times along an axis, steps, windows. Pure. */

import type { Schemas } from '../../api';
import * as format from '../../lib/format';
import { lossOf } from '../../lib/series';
import type { History } from './requests';

const DAY = 86_400;

/** A difference in ms with its sign and its digits. */
export function signed(ms: number): string {
  return `${ms < 0 ? '−' : '+'}${format.bareMs(Math.abs(ms))}`;
}

/** A step as a mark in the chart. */
export interface Mark {
  /** Unix seconds. */
  time: number;
  text: string;
}

export function marksOf(changes: readonly Schemas['RouteChange'][]): Mark[] {
  return changes.map(({ minute, delta_ms }) => ({
    time: Date.parse(minute) / 1000,
    text: `${delta_ms < 0 ? '▼' : '▲'} ${signed(delta_ms)}`,
  }));
}

/** The length of a window in words; seconds. */
export function stepWords(step: number): string {
  if (step % DAY === 0) return step === DAY ? '1 day' : `${step / DAY} days`;
  return step % 3_600 === 0 ? `${step / 3_600} h` : `${step / 60} min`;
}

/** The window at an index in words, for those who do not see the chart. */
export function readoutText({ columns }: Pick<History, 'columns'>, index: number, timeZone: string): string {
  const point = columns.points[index] ?? null;
  if (index < 0) return 'no data in this range';
  const when = format.dateMinute((columns.times[index] ?? 0) * 1000, timeZone);
  if (point === null) return `${when}: nothing was measured`;
  return `${when}: p50 ${format.ms(point.p50_ms)}, p99 ${format.ms(point.p99_ms)}${point.low_count ? ' of few samples' : ''}, ${format.loss(lossOf(point))} lost, ${format.count(point.count)} samples`;
}

/** The levels that are shown for ever by a page that ends at `end`: those that had ended. All of them without an end. */
export function levelsUntil(levels: readonly Schemas['Regime'][], end: number | null): readonly Schemas['Regime'][] {
  return end === null ? levels : levels.filter(({ until }) => until !== null && Date.parse(until) <= end);
}

/** A level with the step that led to it. */
export type LevelRow = Schemas['Regime'] & { step: string };

/** The levels, the newest first; the first of all has no step before it. */
export function levelRows(levels: readonly Schemas['Regime'][]): LevelRow[] {
  return levels
    .map((level, index) => {
      const [before, after] = [levels[index - 1]?.p50_ms ?? null, level.p50_ms];
      return { ...level, step: before === null || after === null ? '–' : signed(after - before) };
    })
    .reverse();
}
