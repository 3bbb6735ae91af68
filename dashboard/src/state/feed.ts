/**
 * Keeps one matrix up to date: a snapshot, then the stream of changes, and polling while the stream is broken.
 * A matrix of the past is asked for until it is there.
 * It knows no component and no global: what it needs is handed in, so that tests drive it with a false server.
 */

import type { CellUpdate, Matrix } from '../api';

/** `live`: the stream delivers. `polling`: it does not, but requests are answered. `failed`: neither. */
export type FeedStatus = 'connecting' | 'live' | 'polling' | 'failed';

/** The part of EventSource that is used. */
export interface StreamLike {
  readonly readyState: number;
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface FeedSource {
  getMatrix(signal: AbortSignal): Promise<Matrix>;
  /** Null for a matrix of the past, which does not change. */
  openStream: (() => StreamLike) | null;
}

export interface FeedSink {
  snapshot(matrix: Matrix): void;
  update(update: CellUpdate): void;
  status(status: FeedStatus, error: string | null): void;
}

export const POLL_MS = 5_000;
/** An open stream that is silent this long is checked by a request: a proxy may be holding it back. */
export const SILENCE_MS = 15_000;
/** A stream that the browser has given up is opened again after this time. */
export const REOPEN_MS = 15_000;

/** `EventSource.CLOSED`, which test environments lack. */
const CLOSED = 2;

export class Feed {
  readonly #abort = new AbortController();
  #stream: StreamLike | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #streamOpen = false;
  #heardAt: number;
  #openedAt: number;
  #loading = false;
  #loaded = false;
  #error: string | null = null;
  /** Changes that came before the first snapshot. */
  #early: CellUpdate[] = [];

  constructor(
    private readonly source: FeedSource,
    private readonly sink: FeedSink,
    private readonly clock: () => number,
  ) {
    this.#heardAt = this.#openedAt = clock();
  }

  start(): void {
    this.#report();
    this.#open();
    void this.load();
    this.#timer = setInterval(() => this.#tick(), POLL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#abort.abort();
    this.#stream?.close();
  }

  /** Fetches a snapshot now. */
  async load(): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    try {
      const matrix = await this.source.getMatrix(this.#abort.signal);
      if (this.#stopped) return;
      this.sink.snapshot(matrix);
      this.#loaded = true;
      this.#error = null;
      for (const update of this.#early.splice(0)) this.sink.update(update);
    } catch (error) {
      if (this.#stopped) return;
      this.#error = error instanceof Error ? error.message : String(error);
    } finally {
      this.#loading = false;
    }
    this.#report();
  }

  get #stopped(): boolean {
    return this.#abort.signal.aborted;
  }

  #open(): void {
    const stream = this.source.openStream?.() ?? null;
    this.#stream = stream;
    if (stream === null) return;
    this.#openedAt = this.clock();
    stream.addEventListener('open', () => this.#opened());
    stream.addEventListener('error', () => this.#broken());
    stream.addEventListener('cell', (event) => this.#heard(event.data));
  }

  #opened(): void {
    if (this.#stopped) return;
    this.#streamOpen = true;
    this.#heardAt = this.clock();
    // Changes may have been missed before this moment.
    void this.load();
    this.#report();
  }

  #broken(): void {
    if (this.#stopped) return;
    const wasOpen = this.#streamOpen;
    this.#streamOpen = false;
    if (wasOpen) void this.load();
    this.#report();
  }

  #heard(data: string): void {
    if (this.#stopped) return;
    this.#heardAt = this.clock();
    const update = JSON.parse(data) as CellUpdate;
    if (this.#loaded) this.sink.update(update);
    else this.#early.push(update);
  }

  #tick(): void {
    const silent = this.clock() - this.#heardAt > SILENCE_MS;
    const behind = this.source.openStream === null ? !this.#loaded : !this.#streamOpen || silent;
    if (behind || this.#error !== null) void this.load();
    if (this.#stream?.readyState === CLOSED && this.clock() - this.#openedAt >= REOPEN_MS) this.#open();
  }

  #report(): void {
    if (this.#error !== null) this.sink.status('failed', this.#error);
    else if (!this.#loaded) this.sink.status('connecting', null);
    else this.sink.status(this.#streamOpen ? 'live' : 'polling', null);
  }
}
