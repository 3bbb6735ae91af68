/** Addresses of pages as data: what every page's own `address.ts` is made of. */

/** What a page gets of the address bar. */
export interface Address {
  /** The decoded parts of the path after the page's own name. */
  parts: readonly string[];
  params: URLSearchParams;
}

/** The choice that a text names; null for one that is none. */
export function oneOf<T extends string>(allowed: readonly T[], text: string | null): T | null {
  return allowed.find((value) => value === text) ?? null;
}

/** A moment from an address, as Unix ms: RFC 3339, with a zone; null for what is none. */
export function momentOf(text: string | null): number | null {
  if (text === null || !/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text)) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}

/** A moment as addresses spell it: to the second where that says all. */
export function momentText(time: number): string {
  return new Date(time).toISOString().replace('.000Z', 'Z');
}

/** Puts a path and parameters together. What is null or empty is left out, so that the default has the shortest address. */
export function hrefOf(path: readonly string[], params: Record<string, string | null>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== '') query.set(name, value);
  }
  const text = query.toString();
  return `/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`;
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** The decoded parts of a path; null for one that is not well formed. A slash at its end says nothing. */
export function partsOf(path: string): string[] | null {
  const parts = path.replace(/^\//, '').replace(/\/$/, '').split('/').map(decode);
  return parts.every((part) => part !== null) ? parts : null;
}
