import { describe, expect, it } from 'vitest';
import { PERCENTILES, WINDOWS } from '../../api';
import { RANGES } from '../../lib/series';
import { routeOf } from '../../pages';
import { embedHref, MOST_REGIONS, parse, THEMES, type Frame } from './address';

const COMMON = { theme: 'auto', protocol: 'tcp', at: null } as const;
const PAIR: Frame = { kind: 'pair', source: 'us-east-1', target: 'a/b', range: '1h', ...COMMON };
const NUMBER: Frame = { kind: 'number', source: 'us-east-1', target: 'eu-west-1', percentile: 'p50', window: '5m', ...COMMON };
const MATRIX: Frame = { kind: 'matrix', regions: ['us-east-1', 'eu-west-1'], percentile: 'p50', window: '5m', ...COMMON };

function read(href: string): Frame | null {
  const url = new URL(href, 'http://host');
  const { page, address } = routeOf(url.pathname, url.search);
  expect(page?.name).toBe('embed');
  return parse(address);
}

describe('the address of a frame', () => {
  it.each<Frame>([
    ...RANGES.map((range) => ({ ...PAIR, range })),
    ...PERCENTILES.map((percentile) => ({ ...NUMBER, percentile })),
    ...WINDOWS.map((window) => ({ ...MATRIX, window })),
    ...THEMES.flatMap((theme) => [PAIR, NUMBER, MATRIX].map((frame) => ({ ...frame, theme }))),
    { ...NUMBER, protocol: 'icmp', at: Date.UTC(2026, 0, 1) },
    { ...MATRIX, regions: [] },
  ])('gives back %o', (frame) => expect(read(embedHref(frame))).toEqual(frame));

  it('is short for the default', () => expect(embedHref(NUMBER)).toBe('/embed/number/us-east-1/eu-west-1'));

  it.each(['/embed/pair', '/embed/pair/a', '/embed/map', '/embed/matrix/a', '/embed/globe/a/b', '/embed/number/a'])('of %s shows nothing', (path) =>
    expect(read(path)).toBeNull(),
  );

  it('takes what it does not know for the default', () => {
    expect(read('/embed/number/us-east-1/eu-west-1?percentile=p1000&window=2m&theme=pink&at=now')).toEqual(NUMBER);
  });

  it('names each region once, and not too many', () => {
    expect(read('/embed/matrix?regions=a,,a,%20b')).toMatchObject({ regions: ['a', 'b'] });
    const many = Array.from({ length: 40 }, (_, index) => `r${index}`).join(',');
    expect(read(`/embed/matrix?regions=${many}`)).toMatchObject({ regions: { length: MOST_REGIONS } });
  });
});
