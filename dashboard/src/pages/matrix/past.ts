/** Moments of the past as the browser's own control writes them, which knows no zone. */

import * as format from '../../lib/format';

/** A moment by a zone's clock, for a control of the kind `datetime-local`. */
export function inputOf(time: number, timeZone: string): string {
  return `${format.date(time, timeZone)}T${format.minute(time, timeZone)}`;
}

/** The moment that such a control says, Unix ms; null while it says none. */
export function momentOfInput(text: string, zone: 'utc' | 'local'): number | null {
  const time = Date.parse(zone === 'utc' ? `${text}Z` : text);
  return Number.isNaN(time) ? null : time;
}
