import { expect, it } from 'vitest';
import { changesLink, pairLink, regionLink } from './links';

it('takes the moment and the probe to the page of a pair', () => {
  expect(pairLink('eu-west-1', 'us-east-1')).toBe('/pair/eu-west-1/us-east-1');
  expect(pairLink('eu-west-1', 'us-east-1', { at: null, protocol: 'tcp' })).toBe('/pair/eu-west-1/us-east-1');
  const at = Date.UTC(2026, 10, 21, 12);
  expect(pairLink('eu-west-1', 'us-east-1', { at, protocol: 'udp' })).toBe('/pair/eu-west-1/us-east-1?at=2026-11-21T12%3A00%3A00Z&protocol=udp');
});

it('takes the moment to other pages', () => {
  const at = Date.UTC(2026, 10, 21, 12);
  expect([regionLink('eu-west-1'), changesLink(null)]).toEqual(['/region/eu-west-1', '/changes']);
  expect([regionLink('eu-west-1', at), changesLink(at)]).toEqual(['/region/eu-west-1?at=2026-11-21T12%3A00%3A00Z', '/changes?at=2026-11-21T12%3A00%3A00Z']);
});
