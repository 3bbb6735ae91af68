import { describe, expect, it } from 'vitest';
import { PROTOCOLS } from '../../api';
import { RANGES } from '../../lib/series';
import { routeOf } from '../../pages';
import { frozen, OVERLAYS, pairHref, parse, shownSpan, type PairState } from './address';

const END = Date.UTC(2026, 0, 2);
const BASE: PairState = { source: 'us-east-1', target: 'eu-west-1', range: '1h', protocol: 'tcp', at: null, span: null, show: ['steps'] };

function read(href: string): PairState {
  const url = new URL(href, 'http://host');
  return parse(routeOf(url.pathname, url.search).address);
}

describe('the address of a pair', () => {
  it.each<Partial<PairState>>([
    ...RANGES.map((range) => ({ range })),
    ...PROTOCOLS.map((protocol) => ({ protocol })),
    ...['a/b', 'Ünï %'].map((source) => ({ source })),
    { at: END },
    { range: '30d', span: { start: END - 3_600_000, end: END } },
    { show: [] },
    { show: [...OVERLAYS] },
    { show: ['reverse', 'floor'] },
  ])('gives back %o', (part) => {
    const state = { ...BASE, ...part };
    expect(read(pairHref(state))).toEqual(state);
  });

  it('is short for the default', () => expect(pairHref(BASE)).toBe('/pair/us-east-1/eu-west-1'));

  it.each(['range=2h', 'protocol=smtp', 'at=yesterday', 'show=everything', 'start=2026-01-01T00:00:00Z', 'start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z'])(
    'takes %s for the default',
    (query) => expect(read(`/pair/us-east-1/eu-west-1?${query}`)).toEqual(BASE),
  );

  it('has whole minutes', () => expect(read('/pair/a/b?at=2026-01-02T00:00:59.5Z').at).toBe(END));
});

describe('the span', () => {
  it('ends now, where the address says, or is what was zoomed to', () => {
    expect(shownSpan(BASE, END)).toEqual({ start: END - 3_600_000, end: END });
    expect(shownSpan({ ...BASE, at: 0 }, END)).toEqual({ start: -3_600_000, end: 0 });
    expect(shownSpan({ ...BASE, at: 0, span: { start: 1, end: 2 } }, END)).toEqual({ start: 1, end: 2 });
  });

  it('stays once it is frozen', () => {
    const link = frozen(BASE, END + 1_234);
    expect(link.at).toBe(END);
    expect(frozen(link, END + 3_600_000)).toEqual(link);
  });
});
