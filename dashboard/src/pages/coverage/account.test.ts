import { describe, expect, it } from 'vitest';
import { producerText, statusText, summaryText, type AccountRegion } from './account';

function region(id: string, status: string, more: Partial<AccountRegion> = {}): AccountRegion {
  return { id, status, catalogued: true, outcome: 'none', producer_sha256: null, first_data_at: null, last_data_at: null, ...more };
}

const HOME = region('us-east-1', 'ENABLED_BY_DEFAULT', { outcome: 'unchanged', producer_sha256: 'q83vEjRWeJA=' });
const NEW = region('xx-new-1', 'ENABLED', { catalogued: false, outcome: 'failed', producer_sha256: 'q83vEjRWeJA=' });
const CLOSED = region('af-south-1', 'DISABLED');

describe('the regions of the account', () => {
  it('says whether one may be used, also in a word that is new', () => {
    expect([HOME, NEW, CLOSED, region('b', 'PAUSED')].map(statusText)).toEqual(['enabled', 'opted in', 'not opted in', 'PAUSED']);
  });

  it('names the producer, and what is not as it should be', () => {
    expect([HOME, NEW, CLOSED].map(producerText)).toEqual(['q83vEjRW', 'q83vEjRW, failed', 'none']);
    expect(producerText(region('b', 'ENABLING', { outcome: 'enabling' }))).toBe('none, enabling');
  });

  it('sums up', () => {
    expect(summaryText([CLOSED, HOME, NEW])).toBe('3 regions: 1 enabled, 1 opted in, 1 not opted in; 1 uncatalogued');
    expect(summaryText([HOME])).toBe('1 regions: 1 enabled');
  });
});
