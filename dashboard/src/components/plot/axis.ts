/** Where values are along an axis, what stands at it, and where its cursor goes. Pure. */

import { bisectCenter, nice, ticks } from 'd3-array';
import { timeTicks, utcTicks } from 'd3-time';
import * as format from '../../lib/format';

/** The values from `low` to `high` are drawn from one place to another, in px. */
export interface Axis {
  low: number;
  high: number;
  from: number;
  to: number;
}

const DAY = 86_400;

/** Where a value is drawn. */
export function placeOf({ low, high, from, to }: Axis, value: number): number {
  return from + ((value - low) / (high - low)) * (to - from);
}

/** Round values along an axis, about `room` px from one to the next. */
export function valueTicks({ low, high, from, to }: Axis, room: number): number[] {
  return ticks(low, high, Math.max(1, Math.abs(to - from) / room));
}

/** Round times of a zone along an axis of Unix seconds; it is UTC or the browser's own. */
export function timesAlong({ low, high, from, to }: Axis, room: number, timeZone: string): number[] {
  const between = timeZone === 'UTC' ? utcTicks : timeTicks;
  return between(new Date(low * 1000), new Date(high * 1000), Math.max(1, (to - from) / room)).map((time) => time.getTime() / 1000);
}

/** What stands at the ticks of a time axis (Unix seconds): as much of a date as changes from one to the next. */
export function axisTimes(ticks: readonly number[], timeZone: string): string[] {
  const apart = (ticks[1] ?? 0) - (ticks[0] ?? 0);
  return ticks.map((tick) => {
    const time = tick * 1000;
    if (apart > 27 * DAY) return format.date(time, timeZone).slice(0, 7);
    const clock = format.minute(time, timeZone);
    return apart >= 0.95 * DAY || clock === '00:00' ? format.date(time, timeZone).slice(5) : clock;
  });
}

/** The least and the greatest of some values, and round numbers about them; what is all the same still has an axis. */
export function boundsOf(values: readonly (number | null)[]): [low: number, high: number] {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return [0, 1];
  const [low, high] = known.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  const margin = high > low ? (high - low) / 10 : Math.abs(high) / 10 || 1;
  // What is not negative has no axis below nought.
  return nice(low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin, 5);
}

/** Index of the value nearest to one, of some in ascending order; null where there are none. */
export function nearest(values: readonly number[], value: number): number | null {
  return values.length === 0 ? null : bisectCenter(values, value);
}

const KEYS: Record<string, (index: number, last: number) => number> = {
  ArrowLeft: (index) => index - 1,
  ArrowRight: (index) => index + 1,
  ArrowUp: (index) => index - 1,
  ArrowDown: (index) => index + 1,
  Home: () => 0,
  End: (_, last) => last,
};

/** Where a key moves the cursor of a chart; null for other keys, and with Shift or the like. */
export function cursorAfter({ key, shiftKey, ctrlKey, metaKey, altKey }: KeyboardEvent, index: number, last: number): number | null {
  const go = shiftKey || ctrlKey || metaKey || altKey ? undefined : KEYS[key];
  return go === undefined || last < 0 ? null : Math.min(last, Math.max(0, go(index, last)));
}
