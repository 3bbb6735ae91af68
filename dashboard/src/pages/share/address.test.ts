import { describe, expect, it } from 'vitest';
import { routeOf } from '../../pages';
import { DEFAULT_SHARE, KINDS, parse, shareHref, type ShareState } from './address';

function read(href: string): ShareState {
  const url = new URL(href, 'http://host');
  return parse(routeOf(url.pathname, url.search).address);
}

describe('the address of the page', () => {
  it.each<Partial<ShareState>>([
    ...KINDS.map((kind) => ({ kind })),
    { source: 'us-east-1', target: 'a/b' },
    { regions: ['us-east-1', 'eu-west-1'] },
    { percentile: 'p99', window: '30d', range: '7d', protocol: 'icmp', theme: 'dark' },
    { at: Date.UTC(2026, 0, 1), label: 'to Ünï & co', width: 400, height: 300 },
  ])('gives back %o', (part) => {
    const state = { ...DEFAULT_SHARE, ...part };
    expect(read(shareHref(state))).toEqual(state);
  });

  it('is short for the default', () => expect(shareHref(DEFAULT_SHARE)).toBe('/share'));

  it.each(['kind=map', 'width=3', 'height=many', 'width=1e9', 'theme=pink', 'at=today', 'percentile=p1000'])('takes %s for the default', (query) =>
    expect(read(`/share?${query}`)).toEqual(DEFAULT_SHARE),
  );
});
