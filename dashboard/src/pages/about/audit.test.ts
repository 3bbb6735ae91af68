import { expect, it } from 'vitest';
import { smallText, summaryOf } from './audit';

const audit = (samples: number, rank: number, ms: number) => ({
  hour: '2026-01-01T00:00:00Z', at: '2026-01-01T01:00:00Z', series: 10, samples, mismatches: 1,
  percentiles: [{ percentile: 'p50', rank_error_max: rank, rank_error_mean: rank, error_ms_max: ms, error_ms_mean: ms }],
});

it('takes the worst of all hours that were recounted', () => {
  expect(summaryOf([audit(5, 0.001, 0.2), audit(7, 0.002, 0.1), audit(0, 0.9, 9)])).toEqual({
    hours: 2, series: 20, samples: 12, mismatches: 2, figures: [{ percentile: 'p50', rankError: 0.002, errorMs: 0.2 }],
  });
});

it('says nothing before the first', () => {
  expect(summaryOf([])).toBeNull();
  expect(summaryOf([audit(0, 0, 0)])).toBeNull();
});

it('writes small figures without calling them zero', () => {
  expect([0, 0.00123, 0.000045, 0.0000001].map(smallText)).toEqual(['0', '0.0012', '0.000045', '< 0.000001']);
});
