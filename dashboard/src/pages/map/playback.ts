/** The moments that a playback steps through. Pure. */

import { minuteOf } from '../../components/moment';
import { WINDOW_MS } from '../../lib/words';

export const STEP_MS = 900_000;
const DAY_MS = WINDOW_MS['1d'];

/**
 * The ends of the steps of the last 24 hours; of the UTC day of a moment that is longer ago. They stay the same while one
 * goes from one to the next, so that a slider over them holds still.
 */
export function momentsOf(now: number, at: number | null): number[] {
  const latest = Math.floor(now / STEP_MS) * STEP_MS;
  const old = at !== null && at <= latest - DAY_MS;
  const end = old ? Math.ceil(at / DAY_MS) * DAY_MS : latest;
  return Array.from({ length: DAY_MS / STEP_MS }, (_, index) => end - DAY_MS + (index + 1) * STEP_MS);
}

/** Where a slider stands for a moment; one past the last moment stands for now. */
export function positionOf(moments: readonly number[], at: number | null): number {
  if (at === null) return moments.length;
  const later = moments.findIndex((moment) => moment >= minuteOf(at));
  return later === -1 ? moments.length - 1 : later;
}

/** The moment of a position; null for now. */
export function momentAt(moments: readonly number[], position: number): number | null {
  return moments[position] ?? null;
}
