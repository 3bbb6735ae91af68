import { describe, expect, it } from 'vitest';
import * as format from './format';

describe('milliseconds', () => {
  it.each([
    [null, '–'],
    [0.04, '0.0'],
    [1.44, '1.4'],
    [9.94, '9.9'],
    [9.95, '10'],
    [68.41, '68'],
    [1033.2, '1033'],
  ])('in a cell: %s', (value, text) => expect(format.cellMs(value)).toBe(text));

  it.each([
    [null, '–'],
    [1.234, '1.23 ms'],
    [9.996, '10.0 ms'],
    [68.41, '68.4 ms'],
    [99.96, '100 ms'],
    [254.4, '254 ms'],
  ])('with unit: %s', (value, text) => expect(format.ms(value)).toBe(text));
});

describe('loss', () => {
  it.each([
    [0, '0 %'],
    [0.000001, '<0.01 %'],
    [0.0099, '0.99 %'],
    [0.0999, '9.99 %'],
    [0.3, '30.0 %'],
    [0.9999, '99.9 %'],
    [1, '100 %'],
  ])('%s', (share, text) => expect(format.loss(share)).toBe(text));

  it('reads as zero or all only when it is', () => {
    for (let lost = 1; lost < 86_400; lost += 37) expect(format.loss(lost / 86_400)).not.toMatch(/^(0 %|100 %)$/);
  });
});

describe('age', () => {
  it.each([
    [-500, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [3_600_000, '1 h'],
    [3_900_000, '1 h 5 min'],
    [86_400_000 * 3, '3 d'],
  ])('%s', (span, text) => expect(format.age(span)).toBe(text));
});

it('writes counts, distances and times', () => {
  expect(format.count(86_400)).toBe('86,400');
  expect(format.km(5479.6)).toBe('5,480 km');
  const time = Date.UTC(2026, 0, 2, 3, 4, 5);
  expect(format.clock(time)).toBe('03:04:05');
  expect(format.minute(time)).toBe('03:04');
  expect(format.dateMinute(time)).toBe('2026-01-02 03:04');
  expect(format.dateMinute(time, 'America/New_York')).toBe('2026-01-01 22:04');
  expect(format.date(time, 'America/New_York')).toBe('2026-01-01');
  expect([format.zoneName(time), format.zoneName(time, 'Europe/Berlin')]).toEqual(['UTC', 'CET']);
});
