/** The route changes of a period as reactive state: asked for now and again, and told by the stream as they are found. */

import { get, openStream, rfc3339, type Schemas } from '../../api';
import { serverClock } from '../../lib/clock';
import { WINDOW_MS } from '../../lib/words';
import { Answer } from '../../state/answer.svelte';
import { catalogue } from '../../state/catalogue.svelte';
import type { FeedStatus } from '../../state/feed';
import type { ChangesState } from './address';
import { idOf, LIMIT, withNews, type RouteChange } from './changes';

const PERIOD_MS = 5_000;
/** While the stream brings what is new, requests are only for what it may have missed. */
const STREAMING_PERIOD_MS = 60_000;
/** A stream that the browser has given up is opened again after this time. */
const REOPEN_MS = 15_000;

/** What is asked for. */
export type Selection = Pick<ChangesState, 'source' | 'target' | 'period' | 'at'>;

/** The query of a selection: the period before a moment, or before now. */
export function queryOf({ source, target, period, at }: Selection, now: number) {
  const end = at ?? now;
  return {
    ...(source === '' ? {} : { source }),
    ...(target === '' ? {} : { target }),
    start: rfc3339(end - WINDOW_MS[period]),
    ...(at === null ? {} : { end: rfc3339(at) }),
    limit: LIMIT,
  };
}

export class ChangesModel {
  readonly #answer = new Answer<RouteChange[]>();
  /** Those that were found while the page was open. */
  news = $state.raw<ReadonlySet<string>>(new Set());
  #streaming = $state(false);

  get changes(): RouteChange[] | null {
    return this.#answer.data;
  }

  get error(): string | null {
    return this.#answer.error;
  }

  get asOf(): number {
    return this.#answer.asOf;
  }

  get period(): number {
    return this.#answer.period;
  }

  get status(): FeedStatus {
    const { status } = this.#answer;
    return status === 'polling' && this.#streaming ? 'live' : status;
  }

  retry(): void {
    this.#answer.retry();
  }

  /** Follows a selection until the returned function is called. */
  follow(selection: Selection): () => void {
    this.#answer.clear();
    let askedAt = 0;
    const ask = async (signal: AbortSignal): Promise<RouteChange[]> => {
      const known = this.#answer.data;
      if (known !== null && this.#streaming && Date.now() - askedAt < STREAMING_PERIOD_MS) return known;
      const query = queryOf(selection, serverClock.at(Date.now()));
      const { changes, simulated } = await get('/api/v1/changes', query, signal);
      catalogue.simulated = simulated;
      askedAt = Date.now();
      return changes;
    };
    const unfollow = this.#answer.follow(ask, PERIOD_MS, () => serverClock.at(Date.now()));
    // The past stands still.
    if (selection.at !== null) return unfollow;
    const close = this.#listen(selection);
    return () => {
      unfollow();
      close();
    };
  }

  #listen({ source, target }: Selection): () => void {
    let stream: EventSource | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const open = (): void => {
      stream = openStream({ ...(source === '' ? {} : { source }), ...(target === '' ? {} : { target }) });
      stream.addEventListener('open', () => (this.#streaming = true));
      stream.addEventListener('change', (event: MessageEvent<string>) => this.#heard(event.data));
      stream.addEventListener('error', () => {
        this.#streaming = false;
        if (stream?.readyState === EventSource.CLOSED) timer = setTimeout(open, REOPEN_MS);
      });
    };
    open();
    return () => {
      clearTimeout(timer);
      stream?.close();
      this.#streaming = false;
    };
  }

  #heard(data: string): void {
    const { changes } = JSON.parse(data) as Schemas['RouteChanges'];
    this.news = new Set([...this.news, ...changes.map(idOf)]);
    // Before the first answer there is nothing to add to: it will have them.
    if (this.#answer.data === null) return;
    this.#answer.data = withNews(this.#answer.data, changes);
    this.#answer.asOf = serverClock.at(Date.now());
  }
}
