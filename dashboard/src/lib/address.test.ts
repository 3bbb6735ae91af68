import { describe, expect, it } from 'vitest';
import { hrefOf, momentOf, momentText, oneOf, partsOf } from './address';

describe('addresses', () => {
  it('come back from their texts', () => {
    const parts = ['pair', 'a/b', 'Ünï %?#'];
    const href = hrefOf(parts, { text: 'a&b=c#d?e+f %', none: null, empty: '' });
    const url = new URL(href, 'http://host');
    expect(partsOf(url.pathname)).toEqual(parts);
    expect([...url.searchParams]).toEqual([['text', 'a&b=c#d?e+f %']]);
  });

  it('hold moments with a zone only', () => {
    for (const time of [0, 1_700_000_000_000, 1_700_000_000_123]) expect(momentOf(momentText(time))).toBe(time);
    expect(momentText(1_700_000_000_000)).toBe('2023-11-14T22:13:20Z');
    expect(momentOf('2023-11-14T22:13:20+01:00')).toBe(1_700_000_000_000 - 3_600_000);
    for (const text of [null, '', 'now', '2023', '2023-11-14', '2023-11-14T22:13:20', '2023-13-14T22:13:20Z']) expect(momentOf(text)).toBe(null);
  });

  it('hold choices that there are', () => {
    expect([oneOf(['a', 'b'], 'b'), oneOf(['a', 'b'], 'c'), oneOf(['a'], null)]).toEqual(['b', null, null]);
  });
});
