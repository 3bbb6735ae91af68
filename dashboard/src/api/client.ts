/** How requests are made: the paths and their answers as `schema.ts` has them out of the service's own description. */

import { serverClock } from '../lib/clock';
import type { paths } from './schema';

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

/** True when a request ended because its caller no longer wanted the answer. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

const REQUEST_TIMEOUT_MS = 30_000;

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

/** What a resource takes in its query. */
export type Query<P extends keyof paths> = paths[P] extends { get: { parameters: { query?: infer Q } } } ? NonNullable<Q> : never;
type Answered<Operation> = Operation extends { responses: { 200: { content: { 'application/json': infer Body } } } } ? Body : never;
type Posted<Operation> = Operation extends { requestBody: { content: { 'application/json': infer Body } } } ? Body : never;
type Answering<Method extends 'get' | 'post'> = { [P in keyof paths]: Answered<paths[P][Method]> extends never ? never : P }[keyof paths];

/** Asks, ends in time, and throws {@link ApiError} instead of giving an answer that is none. */
async function ask(href: string, signal: AbortSignal | null, init: RequestInit = {}): Promise<unknown> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(href, { ...init, signal: signal === null ? timeout : AbortSignal.any([signal, timeout]) });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ApiError(timeout.aborted ? 'The server did not answer in time' : 'The server cannot be reached', 0);
  }
  serverClock.observe(response.headers.get('date'), Date.now());
  if (!response.ok) throw await problem(response);
  // A proxy or a wrong path may answer with a page; say so instead of failing in a parser.
  if (!(response.headers.get('content-type') ?? '').includes('json')) {
    throw new ApiError('The server answered with something that is not JSON', response.status);
  }
  return response.json();
}

const ACCEPT = { accept: 'application/json' };

/** The answer of a resource to a query: `await get('/api/v1/rank', { source }, signal)`. */
export async function get<P extends Answering<'get'>>(path: P, query: Query<P> | null, signal: AbortSignal | null): Promise<Answered<paths[P]['get']>> {
  return (await ask(apiHref(path, query ?? {}), signal, { headers: ACCEPT })) as Answered<paths[P]['get']>;
}

/** The answer of a resource to a body. */
export async function post<P extends Answering<'post'>>(path: P, body: Posted<paths[P]['post']>, signal: AbortSignal): Promise<Answered<paths[P]['post']>> {
  const init = { method: 'POST', body: JSON.stringify(body), headers: { ...ACCEPT, 'content-type': 'application/json' } };
  return (await ask(path, signal, init)) as Answered<paths[P]['post']>;
}

/** The address of a resource, for links and downloads. What is undefined is left out. */
export function apiHref(path: keyof paths, query: object = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === '' ? path : `${path}?${text}`;
}
