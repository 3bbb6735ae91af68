import { describe, expect, it } from 'vitest';
import { parse as parseFrame } from '../embed/address';
import { routeOf } from '../../pages';
import { DEFAULT_SHARE, type ShareState } from './address';
import { badgeHref, badgeHtml, badgeMarkdown, frameCode, frameOf, sizeOfFrame } from './code';

const STATE: ShareState = { ...DEFAULT_SHARE, source: 'us-east-1', target: 'eu-west-1', regions: ['a', 'b'] };
const ORIGIN = 'https://ping.example';

describe('frames', () => {
  it.each(['number', 'pair', 'matrix'] as const)('of kind %s are at an address that shows them', (kind) => {
    const frame = frameOf({ ...STATE, kind, theme: 'dark', window: '1h', range: '7d' });
    if (frame === null) throw new Error('no frame');
    const src = /src="([^"]+)"/.exec(frameCode(ORIGIN, frame, [1, 2]))?.[1]?.replaceAll('&amp;', '&') ?? '';
    const url = new URL(src);
    expect(url.origin).toBe(ORIGIN);
    expect(parseFrame(routeOf(url.pathname, url.search).address)).toEqual(frame);
  });

  it('are none for a badge', () => expect(frameOf({ ...STATE, kind: 'badge' })).toBeNull());

  it('have the chosen size, or one that suits them', () => {
    const matrix = (regions: string[]) => frameOf({ ...STATE, kind: 'matrix', regions });
    const [two, four] = [matrix(['a', 'b']), matrix(['a', 'b', 'c', 'd'])];
    if (two === null || four === null) throw new Error('no frame');
    expect(sizeOfFrame(four, STATE)[1]).toBeGreaterThan(sizeOfFrame(two, STATE)[1]);
    expect(sizeOfFrame(two, { width: 500, height: null })[0]).toBe(500);
  });

  it('cannot end the attribute that they stand in', () => {
    const frame = frameOf({ ...STATE, kind: 'number', source: '"><script>' });
    if (frame === null) throw new Error('no frame');
    expect(frameCode(ORIGIN, frame, [1, 2])).not.toContain('<script');
  });
});

describe('badges', () => {
  it('are at the address of the service', () => {
    expect(badgeHref(STATE)).toBe('/api/v1/badge/us-east-1/eu-west-1.svg');
    expect(badgeHref({ ...STATE, percentile: 'p99', window: '1h', label: 'to & fro', target: 'a/b' })).toBe(
      '/api/v1/badge/us-east-1/a%2Fb.svg?percentile=p99&window=1h&label=to+%26+fro',
    );
  });

  it('lead to the page of their pair', () => {
    const page = `${ORIGIN}/pair/us-east-1/eu-west-1`;
    const image = `${ORIGIN}/api/v1/badge/us-east-1/eu-west-1.svg?percentile=p99&window=1h`;
    const state: ShareState = { ...STATE, percentile: 'p99', window: '1h' };
    expect(badgeMarkdown(ORIGIN, state)).toBe(`[![p99 of the round-trip time from us-east-1 to eu-west-1](${image})](${page})`);
    expect(badgeHtml(ORIGIN, state)).toContain(`<a href="${page}"><img src="${image.replace('&', '&amp;')}"`);
  });
});
