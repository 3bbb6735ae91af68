/**
 * The one client of the HTTP API. Every request of the dashboard goes through here,
 * and every type of a response is written down here.
 */

import { serverClock } from './lib/clock';

/** Percentiles that the API serves, as it spells them. */
export const PERCENTILES = ['p10', 'p25', 'p50', 'p75', 'p90', 'p99'] as const;
export type Percentile = (typeof PERCENTILES)[number];

/** Rolling windows that the API serves, as it spells them. */
export const WINDOWS = ['5m', '1h', '1d'] as const;
export type Window = (typeof WINDOWS)[number];

/** A place that is measured, and usually measures too. */
export interface Region {
  id: string;
  provider: string;
  partition: string;
  name: string;
  city: string;
  country: string;
  continent: string;
  /** Degrees north. */
  latitude: number;
  /** Degrees east. */
  longitude: number;
  /** When it opened, `YYYY-MM-DD` or `YYYY-MM`; absent where not known. */
  launched?: string;
  /** The ids of its availability zones; absent where not known. */
  zones?: string[];
  vantage: boolean;
}

/** A place that measures; `region` is null when it stands in none (for example a laptop). */
export interface Vantage {
  id: string;
  region: string | null;
}

export interface Regions {
  simulated: boolean;
  regions: Region[];
  vantages: Vantage[];
}

/** One direction of one pair over one window. */
export interface Cell {
  source: string;
  target: string;
  /** Round-trip time at the asked percentile; null when nothing was received. */
  rtt_ms: number | null;
  /** Samples received, sent and lost in the window. */
  count: number;
  sent: number;
  lost: number;
  /** lost / sent, 0 to 1. */
  loss: number;
  /** True when the count cannot support the percentile. */
  low_count: boolean;
  /** Time of the newest sample, RFC 3339; null when there is none. */
  last: string | null;
}

export interface Matrix {
  window: Window;
  percentile: Percentile;
  /** How the probes were made; the dashboard asks for the default. */
  protocol: 'tcp';
  unit: 'ms';
  /** Time of the newest round in it, RFC 3339; null when there is none yet. */
  as_of: string | null;
  simulated: boolean;
  sources: string[];
  targets: string[];
  cells: Cell[];
}

/** What one event of the stream carries: the cells that changed. */
export interface CellUpdate {
  as_of: string | null;
  cells: Cell[];
}

/** One tumbling window of a series. The `_ms` fields are null when nothing was received. */
export interface SeriesPoint {
  time: string;
  sent: number;
  lost: number;
  count: number;
  low_count: boolean;
  min_ms: number | null;
  p10_ms: number | null;
  p25_ms: number | null;
  p50_ms: number | null;
  p75_ms: number | null;
  p90_ms: number | null;
  p99_ms: number | null;
  max_ms: number | null;
  mean_ms: number | null;
}

export interface Series {
  source: string;
  target: string;
  protocol: 'tcp';
  start: string;
  end: string;
  step_seconds: number;
  answered_from: 'live' | 'archive';
  simulated: boolean;
  points: SeriesPoint[];
}

/** A request that failed, with the server's own explanation where it gave one. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    message: string,
    /** HTTP status; 0 when no response came. */
    readonly status: number,
  ) {
    super(message);
  }
}

/** What is selected in a request for the matrix. */
export interface MatrixQuery {
  percentile: Percentile;
  window: Window;
  /** Only cells from this source (the answer is small then). */
  source?: string;
  /** Only cells to this target. */
  target?: string;
}

/** What is selected in a request for a series. Times are Unix milliseconds, `step` is seconds. */
export interface SeriesQuery {
  source: string;
  target: string;
  start: number;
  end: number;
  step: number;
}

const REQUEST_TIMEOUT_MS = 15_000;

function url(path: string, query: Record<string, string | number | undefined>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) params.set(name, String(value));
  }
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** Turns an error response into words: RFC 9457 problem documents carry `title` and `detail`. */
async function problem(response: Response): Promise<ApiError> {
  const fallback = `The server answered ${response.status} ${response.statusText}`.trim();
  try {
    const body = (await response.json()) as { title?: unknown; detail?: unknown };
    const parts = [body.title, body.detail].filter((part): part is string => typeof part === 'string' && part !== '');
    return new ApiError(parts.join(': ') || fallback, response.status);
  } catch {
    return new ApiError(fallback, response.status);
  }
}

async function getJson<T>(address: string, signal?: AbortSignal): Promise<T> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(address, {
      headers: { accept: 'application/json' },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(timeout.aborted ? 'The server did not answer in time' : 'The server cannot be reached', 0);
  }
  serverClock.observe(response.headers.get('date'), Date.now());
  if (!response.ok) throw await problem(response);
  // A proxy or a wrong path may answer with a page; say so instead of failing in a parser.
  if (!(response.headers.get('content-type') ?? '').includes('json')) {
    throw new ApiError('The server answered with something that is not JSON', response.status);
  }
  return (await response.json()) as T;
}

/** A time of an answer as Unix ms; 0 for one that there is not. */
export function timeOf(text: string | null): number {
  return text === null ? 0 : Date.parse(text);
}

/** True when a request ended because its caller no longer wanted the answer. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** The catalogue: regions and vantage points. */
export function getRegions(signal?: AbortSignal): Promise<Regions> {
  return getJson<Regions>('/api/v1/regions', signal);
}

/** The live matrix at one percentile over one rolling window. */
export function getMatrix(query: MatrixQuery, signal?: AbortSignal): Promise<Matrix> {
  return getJson<Matrix>(url('/api/v1/matrix', { ...query }), signal);
}

/** The history of one pair in tumbling windows. */
export function getSeries(query: SeriesQuery, signal?: AbortSignal): Promise<Series> {
  const { start, end, ...rest } = query;
  const times = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
  return getJson<Series>(url('/api/v1/series', { ...rest, ...times }), signal);
}

/** Opens the stream of changed cells. The caller closes it. */
export function openStream(query: MatrixQuery): EventSource {
  return new EventSource(url('/api/v1/stream', { ...query }));
}
