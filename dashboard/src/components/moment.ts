/** Moments as the browser's date field spells them: a date and a time of day without a zone. */

import * as format from '../lib/format';
import type { ZoneName } from '../state/zone.svelte';

/** What the field shows for a moment. */
export function fieldText(time: number, timeZone: string): string {
  return format.dateMinute(time, timeZone).replace(' ', 'T');
}

/** The moment that a field's text means, Unix ms; null while it is not filled in. */
export function fieldTime(text: string, zone: ZoneName): number | null {
  const time = Date.parse(zone === 'utc' ? `${text}Z` : text);
  return text === '' || Number.isNaN(time) ? null : time;
}

/** The whole minute that a moment lies in: what the service takes for the end of a window. */
export function minuteOf(time: number): number {
  return Math.floor(time / 60_000) * 60_000;
}
