/** Addresses of pages that other pages lead to. What else an address can say is in each page's `address.ts`. */

import { hrefOf, momentText } from './address';

/** What of another page's choice the page of a pair can show too. */
interface Choice {
  /** Unix ms; null for the present. */
  at?: number | null;
  protocol?: string;
}

export function pairLink(source: string, target: string, { at = null, protocol = 'tcp' }: Choice = {}): string {
  return hrefOf(['pair', source, target], { at: at === null ? null : momentText(at), protocol: protocol === 'tcp' ? null : protocol });
}

export function regionLink(id: string): string {
  return hrefOf(['region', id], {});
}
