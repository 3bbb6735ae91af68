import { expect, it } from 'vitest';
import { LEAST_SPAN_MS } from './address';
import { fit, moved, scaled } from './zoom';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 0, 2, 12);

it('zooms about the middle', () => {
  expect(scaled({ start: NOW - 3 * HOUR, end: NOW - HOUR }, 0.5, NOW)).toEqual({ start: NOW - 2.5 * HOUR, end: NOW - 1.5 * HOUR });
  expect(scaled({ start: NOW - 5 * HOUR, end: NOW - 4 * HOUR }, 2, NOW)).toEqual({ start: NOW - 5.5 * HOUR, end: NOW - 3.5 * HOUR });
});

it('does not zoom below the least span', () => {
  const { start, end } = scaled({ start: NOW - LEAST_SPAN_MS, end: NOW }, 0.5, NOW);
  expect(end - start).toBe(LEAST_SPAN_MS);
});

it('moves, and stops at the present', () => {
  const span = { start: NOW - 2 * HOUR, end: NOW - HOUR };
  expect(moved(span, -0.5, NOW)).toEqual({ start: NOW - 2.5 * HOUR, end: NOW - 1.5 * HOUR });
  expect(moved(span, 5, NOW)).toEqual({ start: NOW - HOUR, end: NOW });
});

it('has whole minutes', () => {
  const { start, end } = fit({ start: NOW - HOUR + 12_345, end: NOW - 23_456 }, NOW);
  expect([start % 60_000, end % 60_000]).toEqual([0, 0]);
});
