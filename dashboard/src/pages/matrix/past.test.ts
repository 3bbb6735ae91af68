import { expect, it } from 'vitest';
import { inputOf, momentOfInput } from './past';

const NOON = Date.UTC(2026, 6, 1, 12);

it('writes a moment by the clock of a zone', () => {
  expect(inputOf(NOON, 'UTC')).toBe('2026-07-01T12:00');
  expect(inputOf(NOON, 'Asia/Kolkata')).toBe('2026-07-01T17:30');
});

it('reads it again', () => {
  expect(momentOfInput(inputOf(NOON, 'UTC'), 'utc')).toBe(NOON);
  expect(momentOfInput(inputOf(NOON, new Intl.DateTimeFormat().resolvedOptions().timeZone), 'local')).toBe(NOON);
  expect(momentOfInput('', 'utc')).toBeNull();
  expect(momentOfInput('', 'local')).toBeNull();
});
