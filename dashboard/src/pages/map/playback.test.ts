import { describe, expect, it } from 'vitest';
import { momentAt, momentsOf, positionOf, STEP_MS } from './playback';

const NOW = Date.parse('2026-11-22T12:07:31Z');
const DAY = 86_400_000;

describe('the steps of a playback', () => {
  const moments = momentsOf(NOW, null);

  it('are those of the last 24 hours', () => {
    expect(moments).toHaveLength(96);
    expect(moments.at(-1)).toBe(Date.parse('2026-11-22T12:00:00Z'));
    expect(moments[0]).toBe(Date.parse('2026-11-21T12:15:00Z'));
  });

  it('hold still while one of them is shown', () => {
    for (const at of moments) expect(momentsOf(NOW, at)).toEqual(moments);
  });

  it('are those of its day for a moment long ago, and hold still too', () => {
    const old = momentsOf(NOW, Date.parse('2026-11-03T10:00:00Z'));
    expect(old[0]).toBe(Date.parse('2026-11-03T00:15:00Z'));
    expect(old.at(-1)).toBe(Date.parse('2026-11-04T00:00:00Z'));
    for (const at of old) expect(momentsOf(NOW + DAY, at)).toEqual(old);
  });

  it('are where a slider stands', () => {
    moments.forEach((moment, index) => expect(positionOf(moments, moment)).toBe(index));
    expect(positionOf(moments, null)).toBe(96);
    expect(momentAt(moments, 96)).toBeNull();
    expect(momentAt(moments, 5)).toBe((moments[0] ?? 0) + 5 * STEP_MS);
    // A moment between two steps stands at the one that ends it.
    expect(positionOf(moments, (moments[4] ?? 0) + 60_000)).toBe(5);
    expect(positionOf(moments, NOW)).toBe(95);
  });
});
