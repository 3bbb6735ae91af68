import { expect, it } from 'vitest';
import { columnsOf } from '../../lib/series';
import { levelRows, levelsUntil, marksOf, readoutText, signed, stepWords } from './words';

const NOON = Date.UTC(2026, 0, 31, 12) / 1000;

it('gives differences a sign', () => {
  expect(signed(30.02)).toBe('+30.0');
  expect(signed(-0.5)).toBe('−0.50');
});

it('tells the direction of a step without colour', () => {
  const ended = { since: '', until: null, count: 0, p10_ms: null, p50_ms: null, p90_ms: null, p99_ms: null };
  const change = { source: 'a', target: 'b', protocol: 'tcp', family: 4, found_at: '', before_ms: 1, after_ms: 1, score: 1, ended };
  const marks = marksOf([14, -14].map((delta_ms) => ({ ...change, minute: '2026-01-31T12:00:00.000Z', delta_ms })));
  expect(marks).toEqual([
    { time: NOON, text: '▲ +14.0' },
    { time: NOON, text: '▼ −14.0' },
  ]);
});

it('names windows', () => expect([60, 600, 3_600, 7_200, 86_400, 604_800].map(stepWords)).toEqual(['1 min', '10 min', '1 h', '2 h', '1 day', '7 days']));

it('gives each level the step that led to it, the newest first', () => {
  const level = (since: string, p50_ms: number | null) => ({ since, until: null, count: 1, p10_ms: null, p50_ms, p90_ms: null, p99_ms: null });
  const rows = levelRows([level('1', 10), level('2', 14), level('3', null), level('4', 12)]);
  expect(rows.map(({ since, step }) => `${since} ${step}`)).toEqual(['4 –', '3 –', '2 +4.00', '1 –']);
});

it('leaves out of a page with an end the levels that lasted beyond it', () => {
  const level = (until: string | null) => ({ since: '', until, count: 1, p10_ms: null, p50_ms: 1, p90_ms: null, p99_ms: null });
  const levels = [level('2026-01-31T11:00:00Z'), level('2026-01-31T13:00:00Z'), level(null)];
  expect(levelsUntil(levels, NOON * 1000)).toEqual(levels.slice(0, 1));
  expect(levelsUntil(levels, null)).toEqual(levels);
});

it('says what a window holds, and where it holds nothing', () => {
  const point = {
    time: '', sent: 60, lost: 30, retransmitted: 0, family: 4, percentiles: [], count: 30, low_count: true, min_ms: 1, p10_ms: 2, p25_ms: 3,
    p50_ms: 4, p75_ms: 5, p90_ms: 6, p99_ms: 7, max_ms: 8, mean_ms: 4, stddev_ms: 1, jitter_ms: 6,
  };
  const columns = columnsOf([{ ...point, time: '2026-01-31T12:00:00.000Z' }], NOON * 1000, NOON * 1000 + 120_000, 60);
  expect(readoutText({ columns }, 0, 'UTC')).toBe('2026-01-31 12:00: p50 4.00 ms, p99 7.00 ms of few samples, 50.0 % lost, 30 samples');
  expect(readoutText({ columns }, 1, 'UTC')).toBe('2026-01-31 12:01: nothing was measured');
  expect(readoutText({ columns }, -1, 'UTC')).toBe('no data in this range');
});
