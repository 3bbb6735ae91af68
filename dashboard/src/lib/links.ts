/** Addresses of pages that other pages lead to, in their default state. What else an address can say is in each page's `address.ts`. */

import { hrefOf } from './address';

export function pairLink(source: string, target: string): string {
  return hrefOf(['pair', source, target], {});
}

export function regionLink(id: string): string {
  return hrefOf(['region', id], {});
}
