/** Zooming and moving along the record: spans in whole minutes that do not reach into the future. */

import type { Span } from '../../lib/series';
import { LEAST_SPAN_MS, MOST_SPAN_MS } from './address';

const MINUTE_MS = 60_000;

/** A span of whole minutes that may be asked for: what lies ahead of `now` is moved back. */
export function fit({ start, end }: Span, now: number): Span {
  const length = Math.min(MOST_SPAN_MS, Math.max(LEAST_SPAN_MS, Math.round((end - start) / MINUTE_MS) * MINUTE_MS));
  const last = Math.ceil(now / MINUTE_MS) * MINUTE_MS;
  const middle = (start + end) / 2;
  const stop = Math.min(last, Math.round((middle + length / 2) / MINUTE_MS) * MINUTE_MS);
  return { start: stop - length, end: stop };
}

/** The span about the same middle, `factor` times as long. */
export function scaled({ start, end }: Span, factor: number, now: number): Span {
  const [middle, half] = [(start + end) / 2, ((end - start) / 2) * factor];
  return fit({ start: middle - half, end: middle + half }, now);
}

/** The span of the same length, later by a share of it; earlier where the share is negative. */
export function moved({ start, end }: Span, share: number, now: number): Span {
  const by = (end - start) * share;
  return fit({ start: start + by, end: end + by }, now);
}
