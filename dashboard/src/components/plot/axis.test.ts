import { describe, expect, it } from 'vitest';
import { axisTimes, boundsOf, cursorAfter, nearest, placeOf, timesAlong, valueTicks } from './axis';

const NOON = Date.UTC(2026, 0, 31, 12) / 1000;

it('places values both ways', () => {
  expect(placeOf({ low: 10, high: 20, from: 0, to: 100 }, 15)).toBe(50);
  expect(placeOf({ low: 0, high: 4, from: 300, to: 100 }, 1)).toBe(250);
});

describe('ticks', () => {
  it('are round, and as many as there is room for', () => {
    expect(valueTicks({ low: 61.2, high: 64.1, from: 200, to: 0 }, 36)).toEqual([61.5, 62, 62.5, 63, 63.5, 64]);
    expect(valueTicks({ low: 0, high: 100, from: 60, to: 0 }, 36)).toEqual([0, 50, 100]);
  });
  it('of times are round in their zone', () => {
    const day = timesAlong({ low: NOON - 43_000, high: NOON + 43_000, from: 0, to: 560 }, 70, 'UTC');
    expect(axisTimes(day, 'UTC')).toEqual(['03:00', '06:00', '09:00', '12:00', '15:00', '18:00', '21:00']);
  });
});

describe('times along an axis', () => {
  it('are minutes, and dates at midnight', () => {
    expect(axisTimes([NOON, NOON + 6 * 3_600, NOON + 12 * 3_600], 'UTC')).toEqual(['12:00', '18:00', '02-01']);
  });
  it('are dates where days pass', () => expect(axisTimes([NOON, NOON + 86_400], 'UTC')).toEqual(['01-31', '02-01']));
  it('are months where months pass', () => expect(axisTimes([NOON, NOON + 28 * 86_400], 'UTC')).toEqual(['2026-01', '2026-02']));
  it('follow the zone', () => expect(axisTimes([NOON, NOON + 60], 'Asia/Tokyo')).toEqual(['21:00', '21:01']));
});

describe('bounds', () => {
  it('are round and hold all values', () => expect(boundsOf([61, null, 79])).toEqual([55, 85]));
  it('are not below nought where no value is', () => expect(boundsOf([0.2, 5])[0]).toBe(0));
  it('have room where all is the same, or nothing', () => {
    expect(boundsOf([50, 50])).toEqual([44, 56]);
    expect(boundsOf([0])).toEqual([0, 1]);
    expect(boundsOf([null])).toEqual([0, 1]);
  });
});

it('finds the nearest', () => {
  expect([-5, 14, 16, 99].map((value) => nearest([0, 10, 20], value))).toEqual([0, 1, 2, 2]);
  expect(nearest([], 1)).toBeNull();
});

describe('the cursor', () => {
  const key = (key: string, shiftKey = false) => ({ key, shiftKey, ctrlKey: false, metaKey: false, altKey: false }) as KeyboardEvent;
  it('goes by arrows, Home and End, and stays within', () => {
    expect(['ArrowLeft', 'ArrowDown', 'Home', 'End'].map((name) => cursorAfter(key(name), 3, 9))).toEqual([2, 4, 0, 9]);
    expect(cursorAfter(key('ArrowRight'), 9, 9)).toBe(9);
  });
  it('leaves other keys to others', () => {
    expect(cursorAfter(key('+'), 3, 9)).toBeNull();
    expect(cursorAfter(key('ArrowLeft', true), 3, 9)).toBeNull();
    expect(cursorAfter(key('End'), 0, -1)).toBeNull();
  });
});
