import { describe, expect, it } from 'vitest';
import type { Place } from '../../lib/places';
import { DEFAULT_COVERAGE } from './address';
import { arranged, barOf, gapsText, hourText, percentText, rowsOf, spanOf, stripText, type Hour, type Pair } from './coverage';
import { silences } from './unanswered';

const NOW = Date.parse('2026-01-02T12:30:00Z');

function hour(source: string, start: string, more: Partial<Hour> = {}): Hour {
  return {
    source, hour: start, rounds: 10, sent: 100, received: 99, lost: 1, not_sent: 0, duplicates: 0, late: 0, due: 100, counted: 100,
    completeness: 100, missing_rounds: 0, dropped_rounds: 0, gaps: {}, ...more,
  };
}

function pair(source: string, target: string, more: Partial<Pair> = {}): Pair {
  return { source, target, protocol: 'tcp', family: 4, sent: 10, received: 10, lost: 0, retransmitted: 0, unknown: 0, last: '2026-01-02T12:29:59Z', ...more };
}

const place = (id: string): Place => ({ id, region: null, city: '', searchText: id });
const LOST = { received: 0, lost: 10 };

const HOURS = [
  hour('whole', '2026-01-02T12:00:00Z'),
  hour('mute', '2026-01-02T12:00:00Z'),
  hour('holes', '2026-01-02T11:00:00Z', { counted: 50, completeness: 50, missing_rounds: 5, gaps: { overload: 2, suspended: 3, clock_step: 0 } }),
  hour('holes', '2026-01-02T12:00:00Z', { not_sent: 7 }),
];
const PAIRS = [
  pair('whole', 'mute', LOST),
  pair('holes', 'mute', LOST),
  pair('whole', 'holes'),
  pair('holes', 'whole'),
  pair('mute', 'whole', LOST),
  pair('mute', 'holes', LOST),
  pair('old', 'whole', { last: '2026-01-02T12:28:00Z' }),
];
const ROWS = rowsOf(['whole', 'mute', 'holes', 'old', 'never'].map(place), HOURS, PAIRS, NOW);
const ids = (state: Partial<typeof DEFAULT_COVERAGE>): string[] => arranged(ROWS, { ...DEFAULT_COVERAGE, ...state }).map(({ place }) => place.id);

describe('coverage', () => {
  it('reaches back as far as the ledger, but a day at least and 49 hours at most', () => {
    expect(spanOf([], NOW)).toHaveLength(24);
    expect(spanOf([hour('a', '2026-01-01T08:00:00Z')], NOW)).toHaveLength(29);
    expect(spanOf([hour('a', '2025-12-01T08:00:00Z')], NOW)).toHaveLength(49);
    expect(spanOf([], NOW).at(-1)).toBe(Date.parse('2026-01-02T12:00:00Z'));
  });

  it('puts what needs looking at first', () => {
    expect(ids({})).toEqual(['never', 'old', 'mute', 'holes', 'whole']);
    expect(ids({ show: 'trouble' })).not.toContain('whole');
    expect(ids({ filter: 'ho' })).toEqual(['holes', 'whole']);
  });

  it('sorts by what is wanted, either way', () => {
    expect(ids({ sort: 'name' })).toEqual(['holes', 'mute', 'never', 'old', 'whole']);
    expect(ids({ sort: 'name', reversed: true })).toEqual(['whole', 'old', 'never', 'mute', 'holes']);
    expect(ids({ sort: 'loss' })[0]).toBe('mute');
    expect(ids({ sort: 'missing' })[0]).toBe('holes');
    expect(ids({ sort: 'unsent' })[0]).toBe('holes');
    expect(ids({ sort: 'newest' }).slice(0, 2)).toEqual(['never', 'old']);
    expect(ids({ sort: 'completeness', reversed: true }).at(-1)).toBe('old');
  });

  it('adds the hours up', () => {
    const row = ROWS.find(({ place }) => place.id === 'holes');
    expect(row).toMatchObject({ due: 200, counted: 150, completeness: 75, missingRounds: 5, notSent: 7, sent: 20, lost: 10 });
    expect(gapsText(row?.gaps ?? [])).toBe('3 × suspended, 2 × overload');
    expect(row && stripText(row)).toBe('24 hours: 1 whole, 1 incomplete, 22 without a record');
  });

  it('never calls whole what is not', () => {
    expect([100, 99.999, 99.5, 0, null].map(percentText)).toEqual(['100 %', '99.99 %', '99.50 %', '0.00 %', '–']);
    expect(barOf(hour('a', '2026-01-02T11:00:00Z', { completeness: 99.8 }))).toEqual({ share: 0.998, whole: false });
    expect(barOf(null)).toBeNull();
  });

  it('puts an hour into words', () => {
    const start = Date.parse('2026-01-02T11:00:00Z');
    expect(hourText(start, HOURS[2] ?? null, 'UTC')).toBe('2026-01-02 11:00: 50.00 %, 50 of 100 probes due');
    expect(hourText(start, null, 'Asia/Tokyo')).toBe('2026-01-02 20:00: no record');
  });
});

describe('pairs without an answer', () => {
  it('are told by the place that they have in common', () => {
    expect(silences([...PAIRS, pair('a', 'b', LOST), pair('a', 'c'), pair('c', 'b')])).toEqual([
      { source: null, target: 'mute', pairs: 2, sent: 20 },
      { source: 'mute', target: null, pairs: 2, sent: 20 },
      { source: 'a', target: 'b', pairs: 1, sent: 10 },
    ]);
  });

  it('are none where all is answered or nothing was sent', () => {
    expect(silences([pair('a', 'b'), pair('b', 'a', { sent: 0, received: 0 })])).toEqual([]);
  });
});
