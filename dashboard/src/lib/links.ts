/** Addresses of pages that other pages lead to. What else an address can say is in each page's `address.ts`. */

import { hrefOf, momentText } from './address';

/** What of another page's choice the page of a pair can show too. */
interface Choice {
  /** Unix ms; null for the present. */
  at?: number | null;
  protocol?: string;
}

const momentOrNull = (at: number | null): string | null => (at === null ? null : momentText(at));

export function pairLink(source: string, target: string, { at = null, protocol = 'tcp' }: Choice = {}): string {
  return hrefOf(['pair', source, target], { at: momentOrNull(at), protocol: protocol === 'tcp' ? null : protocol });
}

export function regionLink(id: string, at: number | null = null): string {
  return hrefOf(['region', id], { at: momentOrNull(at) });
}

export function changesLink(at: number | null): string {
  return hrefOf(['changes'], { at: momentOrNull(at) });
}
