/** How requests are made: the paths and their answers as `schema.ts` has them out of the service's own description. */

import createClient from 'openapi-fetch';
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

/** `fetch` that ends in time, and throws {@link ApiError} instead of giving an answer that is none. */
async function fetchJson(request: Request): Promise<Response> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(request, { signal: AbortSignal.any([request.signal, timeout]) });
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new ApiError(timeout.aborted ? 'The server did not answer in time' : 'The server cannot be reached', 0);
  }
  serverClock.observe(response.headers.get('date'), Date.now());
  if (!response.ok) throw await problem(response);
  // A proxy or a wrong path may answer with a page; say so instead of failing in a parser.
  if (!(response.headers.get('content-type') ?? '').includes('json')) {
    throw new ApiError('The server answered with something that is not JSON', response.status);
  }
  return response;
}

/** The typed client: `await answer(client.GET('/api/v1/rank', { params: { query: { source } }, signal }))`. */
export const client = createClient<paths, 'application/json'>({
  fetch: fetchJson,
  headers: { accept: 'application/json' },
});

/** The body of an answer. */
export async function answer<T>(request: Promise<{ data?: T }>): Promise<T> {
  const { data } = await request;
  // Whatever has no body has been thrown by `fetchJson`.
  return data as T;
}

/** The address of a resource, for links and downloads. What is undefined is left out. */
export function apiHref(path: keyof paths, query: Record<string, string | number | boolean | undefined> = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) params.set(name, String(value));
  }
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}
