import { expect, it } from 'vitest';
import { MEASURES } from '../../lib/colour';
import { Atlas, type Group } from '../../lib/places';
import { headline, isLarge } from './view';

const atlas = new Atlas({ simulated: true, regions: [], vantages: [] });
const groups = (...counts: number[]): Group[] =>
  counts.map((count, code) => ({ code: `${code}`, name: '', places: Array.from({ length: count }, (_, index) => atlas.place(`${code}-${index}`)) }));

it('draws what is too large for a table on either axis', () => {
  expect(isLarge(groups(20, 25), groups(45))).toBe(false);
  expect(isLarge(groups(20, 26), groups(1))).toBe(true);
  expect(isLarge(groups(1), groups(46))).toBe(true);
});

it('says what the numbers are, and a percentile only of what has one', () => {
  const live = { percentile: 'p90', window: '1h', protocol: 'tcp', at: null } as const;
  expect(headline('rtt', live)).toBe('Round-trip time in ms, p90 of the last hour');
  expect(headline('loss', { ...live, at: 0 })).toBe('Probes lost, %, in the hour before');
  expect(MEASURES.filter((measure) => headline(measure, live).includes('p90'))).toEqual(['rtt', 'fibre']);
});
