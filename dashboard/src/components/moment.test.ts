import { expect, it } from 'vitest';
import { fieldText, fieldTime, minuteOf } from './moment';

const TIME = Date.parse('2026-11-22T03:15:00Z');

it('a moment survives the field', () => {
  expect(fieldText(TIME, 'UTC')).toBe('2026-11-22T03:15');
  expect(fieldTime(fieldText(TIME, 'UTC'), 'utc')).toBe(TIME);
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  expect(fieldTime(fieldText(TIME, own), 'local')).toBe(TIME);
});

it('a field that is not filled in is no moment', () => {
  expect(fieldTime('', 'utc')).toBeNull();
  expect(fieldTime('2026-11', 'local')).not.toBe(TIME);
  expect(fieldTime('soon', 'utc')).toBeNull();
});

it('whole minutes are kept, others end at theirs', () => {
  expect(minuteOf(TIME)).toBe(TIME);
  expect(minuteOf(TIME + 59_999)).toBe(TIME);
});
