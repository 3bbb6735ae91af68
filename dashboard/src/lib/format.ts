/** How numbers and times are written. Every figure on every page goes through here. */

const NONE = '–';

const grouped = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });

/** Round-trip time for a cell of the matrix: at most four characters. */
export function cellMs(ms: number | null): string {
  if (ms === null) return NONE;
  return ms < 9.95 ? ms.toFixed(1) : ms.toFixed(0);
}

/** Round-trip time as a bare number with the digits that the instrument supports. */
export function bareMs(ms: number | null): string {
  if (ms === null) return NONE;
  if (ms < 9.995) return ms.toFixed(2);
  return ms < 99.95 ? ms.toFixed(1) : ms.toFixed(0);
}

/** Round-trip time with its unit. */
export function ms(value: number | null): string {
  return value === null ? NONE : `${bareMs(value)} ms`;
}

/** A share (0 to 1) as a percentage. What is not zero never reads as zero. */
export function loss(share: number): string {
  const percent = share * 100;
  if (percent === 0) return '0 %';
  if (percent < 0.01) return '<0.01 %';
  if (percent < 9.995) return `${percent.toFixed(2)} %`;
  // 99.96 % lost is not 100 % lost.
  return percent < 100 ? `${Math.min(percent, 99.9).toFixed(1)} %` : '100 %';
}

/** A whole number with its thousands grouped. */
export function count(value: number): string {
  return grouped.format(value);
}

const round = new Intl.NumberFormat('en-GB', { maximumSignificantDigits: 12 });

/** A round number at an axis, with the digits that it has. */
export function tick(value: number): string {
  return round.format(value);
}

/** A distance. */
export function km(value: number): string {
  return `${grouped.format(value)} km`;
}

/** A span of time, in its one or two largest units. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The format of a zone; a format is dear to make, and a table has many times. Sweden writes times as ISO 8601 does. */
function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium', timeZone });
  formats.set(timeZone, made);
  return made;
}

/** Date and time of day in a zone as `Intl` calls it, such as Europe/Berlin. */
function parts(time: number, timeZone: string): { date: string; clock: string } {
  const text = formatOf(timeZone).format(time);
  return { date: text.slice(0, 10), clock: text.slice(11, 19) };
}

/** Time of day to the second; UTC unless another zone is wanted. */
export function clock(time: number, timeZone = 'UTC'): string {
  return parts(time, timeZone).clock;
}

/** Time of day to the minute. */
export function minute(time: number, timeZone = 'UTC'): string {
  return parts(time, timeZone).clock.slice(0, 5);
}

/** The day. */
export function date(time: number, timeZone = 'UTC'): string {
  return parts(time, timeZone).date;
}

/** Date and time of day to the minute. */
export function dateMinute(time: number, timeZone = 'UTC'): string {
  const { date, clock } = parts(time, timeZone);
  return `${date} ${clock.slice(0, 5)}`;
}

/** The zone's short name at a time, such as UTC or GMT+2. */
export function zoneName(time: number, timeZone = 'UTC'): string {
  const all = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short', timeZone }).formatToParts(time);
  return all.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
