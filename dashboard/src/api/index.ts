/** The one client of the HTTP API. Every request of the dashboard goes through here; every type comes from the service's description. */

import { apiHref, get, type Query } from './client';
import type { components } from './schema';

export { apiHref, ApiError, get, isAbort, post, type Query } from './client';

export type Schemas = components['schemas'];
/** A place that is measured, and usually measures too. */
export type Region = Schemas['Region'];
/** A place that measures; `region` is null when it stands in none (for example a laptop). */
export type Vantage = Schemas['Vantage'];
export type Regions = Schemas['Regions'];
/** One direction of one pair over one window. */
export type Cell = Schemas['Cell'];
export type Matrix = Schemas['Matrix'];
/** One tumbling window of a series. The `_ms` fields are null when nothing was received. */
export type SeriesPoint = Schemas['SeriesPoint'];
export type Series = Schemas['Series'];

/** Rolling windows that the API serves, as it spells them. */
export const WINDOWS = ['5m', '1h', '1d', '7d', '30d', '365d'] as const satisfies readonly Query<'/api/v1/matrix'>['window'][];
export type Window = (typeof WINDOWS)[number];

/** Kinds of probes, as the API spells them. */
export const PROTOCOLS = ['tcp', 'tls', 'https', 'icmp', 'udp'] as const satisfies readonly Query<'/api/v1/matrix'>['protocol'][];
export type Protocol = (typeof PROTOCOLS)[number];

/** Percentiles that are offered to choose from; the API takes any from `p0` to `p100`. */
export const PERCENTILES = ['p10', 'p25', 'p50', 'p75', 'p90', 'p99'] as const;
export type Percentile = (typeof PERCENTILES)[number];

/** What one event of the stream carries: the cells that changed. */
export interface CellUpdate {
  as_of: string | null;
  cells: Cell[];
}

/** What is selected in a request for the matrix. */
export type MatrixQuery = Query<'/api/v1/matrix'>;

/** What is selected in a request for a series. Times are Unix milliseconds, `step` is seconds. */
export interface SeriesQuery {
  source: string;
  target: string;
  start: number;
  end: number;
  step: number;
  protocol?: Protocol;
  /** More percentiles than every window has, with commas between them. */
  percentiles?: string;
}

/** A time of an answer as Unix ms; 0 for one that there is not. */
export function timeOf(text: string | null): number {
  return text === null ? 0 : Date.parse(text);
}

/** A time as the API takes it. */
export function rfc3339(time: number): string {
  return new Date(time).toISOString();
}

/** The catalogue: regions and vantage points. */
export function getRegions(signal: AbortSignal | null = null): Promise<Regions> {
  return get('/api/v1/regions', null, signal);
}

/** The matrix at one percentile, over a rolling window or a range of the past. */
export function getMatrix(query: MatrixQuery, signal: AbortSignal | null = null): Promise<Matrix> {
  return get('/api/v1/matrix', query, signal);
}

/** The history of one pair in tumbling windows. */
export function getSeries({ start, end, step, ...pair }: SeriesQuery, signal: AbortSignal | null = null): Promise<Series> {
  const query = { ...pair, step, start: rfc3339(start), end: rfc3339(end) };
  return get('/api/v1/series', query, signal);
}

/** What `/healthz` says; it is outside the described API. */
export interface Health {
  status: string;
  version: string;
  /** When the newest probe left. */
  latest: string | null;
  /** What is not well. */
  reasons: string[];
}

/** How the service is; when it is not well, it says so by the same document with status 503. */
export async function getHealth(signal: AbortSignal): Promise<Health> {
  return (await (await fetch('/healthz', { signal })).json()) as Health;
}

/** Opens the stream of changed cells. The caller closes it. */
export function openStream(query: Query<'/api/v1/stream'>): EventSource {
  return new EventSource(apiHref('/api/v1/stream', query));
}
