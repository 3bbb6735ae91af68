/** What the account says of its regions, in words. Pure. */

import type { Schemas } from '../../api';

export type AccountRegion = Schemas['AccountRegion'];

/** By AWS's words, in the order in which they are summed up. */
const STATUS_WORDS: Record<string, string> = {
  ENABLED_BY_DEFAULT: 'enabled',
  ENABLED: 'opted in',
  ENABLING: 'being enabled',
  DISABLING: 'being disabled',
  DISABLED: 'not opted in',
};

/** Whether the account may use a region. A word that is new stays as it is. */
export function statusText({ status }: AccountRegion): string {
  return STATUS_WORDS[status] ?? status;
}

/** The producer of a region, and what the last run made of it. */
export function producerText({ outcome, producer_sha256 }: AccountRegion): string {
  const last = outcome === 'none' || outcome === 'unchanged' ? '' : `, ${outcome}`;
  return (producer_sha256 === null ? 'none' : producer_sha256.slice(0, 8)) + last;
}

/** One line about all regions: "39 regions: 17 enabled, 22 not opted in; 1 uncatalogued". */
export function summaryText(regions: readonly AccountRegion[]): string {
  const words = [...new Set([...Object.values(STATUS_WORDS), ...regions.map(statusText)])];
  const counted = words.map((word) => [regions.filter((region) => statusText(region) === word).length, word] as const);
  const uncatalogued = regions.filter(({ catalogued }) => !catalogued).length;
  const parts = counted.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  return `${regions.length} regions: ${parts.join(', ')}${uncatalogued > 0 ? `; ${uncatalogued} uncatalogued` : ''}`;
}
