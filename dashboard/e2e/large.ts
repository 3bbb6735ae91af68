/** A server that does not exist: synthetic answers of many regions, made in the browser's place, for no installation here has as many. */

import type { Page } from '@playwright/test';

export const LARGE = 205;

const CONTINENTS = ['NA', 'SA', 'EU', 'AF', 'AS', 'OC'] as const;
const PROVIDERS = ['aws', 'azure', 'gcp', 'oci'] as const;

const REGIONS = Array.from({ length: LARGE }, (_, index) => {
  const place = Math.floor((index * CONTINENTS.length) / LARGE);
  const provider = PROVIDERS[index % PROVIDERS.length] ?? 'aws';
  return {
    id: `${provider}-synthetic-${String(index).padStart(3, '0')}`,
    provider,
    partition: provider,
    name: `Synthetic ${index}`,
    city: `City ${index}`,
    country: 'XX',
    continent: CONTINENTS[place] ?? 'EU',
    latitude: ((index * 37) % 120) - 60,
    longitude: (index * 360) / LARGE - 180,
    vantage: true,
  };
});
const IDS = REGIONS.map(({ id }) => id);

function cells(): object[] {
  const last = new Date().toISOString();
  return IDS.flatMap((source, from) =>
    IDS.flatMap((target, to) => {
      // Some pairs are themselves, some were never measured.
      if (from === to || (from * 31 + to * 17) % 97 === 0) return [];
      const lost = (from + to) % 41 === 0 ? 3 : 0;
      const rtt_ms = 2 + Math.abs(from - to) * 1.5 + ((from * to) % 13);
      return { source, target, rtt_ms, count: 300 - lost, sent: 300, lost, retransmitted: 0, loss: lost / 300, stddev_ms: 1, jitter_ms: 0.4, low_count: (from * to) % 53 === 1, last };
    }),
  );
}

/** Answers instead of the server. */
export async function serveLarge(page: Page): Promise<void> {
  const vantages = IDS.map((id) => ({ id, region: id }));
  await page.route('**/api/v1/regions*', (route) => route.fulfill({ json: { simulated: true, regions: REGIONS, vantages } }));
  await page.route('**/api/v1/stream*', (route) => route.fulfill({ contentType: 'text/event-stream', body: ': nothing changes\n\n' }));
  await page.route('**/api/v1/matrix*', (route) =>
    route.fulfill({
      json: { window: '5m', percentile: 'p50', protocol: 'tcp', unit: 'ms', as_of: new Date().toISOString(), simulated: true, sources: IDS, targets: IDS, cells: cells() },
    }),
  );
}
