import { describe, expect, it } from 'vitest';
import { DEFAULT_CHANGES } from './address';
import { byDay, clearness, deltaText, idOf, reachedOf, scaleEnd, selected, shareText, summary, withNews, type RouteChange } from './changes';

function change(minute: string, before: number, after: number, more: Partial<RouteChange> = {}): RouteChange {
  return {
    source: 'a',
    target: 'b',
    protocol: 'tcp',
    family: 4,
    minute,
    found_at: minute,
    before_ms: before,
    after_ms: after,
    delta_ms: after - before,
    score: 2,
    ended: { since: minute, until: minute, count: 100, p10_ms: 1, p50_ms: 1, p90_ms: 1, p99_ms: 1 },
    ...more,
  };
}

const UP = change('2026-01-01T23:30:00Z', 100, 130);
const DOWN = change('2026-01-02T00:30:00Z', 130, 100, { target: 'c' });
const SMALL = change('2026-01-02T00:31:00Z', 10, 10.6, { source: 'c' });

describe('route changes', () => {
  it('puts news first, and each change once', () => {
    const again = { ...UP, score: 3 };
    expect(withNews([SMALL, UP], [DOWN, again]).map(idOf)).toEqual([SMALL, DOWN, UP].map(idOf));
    expect(withNews([UP], [again])).toEqual([again]);
  });

  it('filters by pair, size and direction', () => {
    const all = [SMALL, DOWN, UP];
    expect(selected(all, DEFAULT_CHANGES)).toEqual(all);
    expect(selected(all, { ...DEFAULT_CHANGES, source: 'a' })).toEqual([DOWN, UP]);
    expect(selected(all, { ...DEFAULT_CHANGES, target: 'c' })).toEqual([DOWN]);
    expect(selected(all, { ...DEFAULT_CHANGES, least: '1' })).toEqual([DOWN, UP]);
    expect(selected(all, { ...DEFAULT_CHANGES, direction: 'slower' })).toEqual([SMALL, UP]);
    expect(selected(all, { ...DEFAULT_CHANGES, direction: 'faster' })).toEqual([DOWN]);
  });

  it('tells another address from the same one, and from one that is not known', () => {
    const moved = { ...UP, before_address: '192.0.2.1', after_address: '192.0.2.2' };
    const stayed = { ...DOWN, before_address: '192.0.2.1', after_address: '192.0.2.1' };
    expect([moved, stayed, SMALL].map(reachedOf)).toEqual(['changed', 'same', null]);
    const all = [SMALL, stayed, moved];
    expect(selected(all, { ...DEFAULT_CHANGES, reached: 'changed' })).toEqual([moved]);
    expect(selected(all, { ...DEFAULT_CHANGES, reached: 'same' })).toEqual([stayed]);
  });

  it('groups by the days of the reader', () => {
    expect(byDay([DOWN, UP], 'UTC').map(({ date, changes }) => [date, changes.length])).toEqual([['2026-01-02', 1], ['2026-01-01', 1]]);
    expect(byDay([DOWN, UP], 'Europe/Berlin')).toEqual([{ date: '2026-01-02', changes: [DOWN, UP] }]);
  });

  it('says how clear a step is', () => {
    expect([1, 1.5, 3, 10].map(clearness)).toEqual(['only just', 'clear', 'very clear', 'beyond doubt']);
  });

  it('writes sizes with their sign', () => {
    expect(deltaText(30)).toBe('+30.0 ms');
    expect(deltaText(-0.61)).toBe('−0.61 ms');
    expect(shareText(UP)).toBe('+30 %');
    expect(shareText(DOWN)).toBe('−23 %');
  });

  it('sums up', () => {
    expect(summary([SMALL, DOWN, UP])).toBe('3 steps of 3 pairs: 2 slower, 1 faster');
    expect(summary([UP])).toBe('1 step of 1 pair: 1 slower, 0 faster');
  });

  it('has one scale for all', () => {
    expect(scaleEnd([SMALL])).toBe(50);
    expect(scaleEnd([SMALL, UP])).toBe(150);
  });
});
