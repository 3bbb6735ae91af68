/** An answer of the service that a page shows and keeps up to date: the last one stays when the next cannot be had. */

import { isAbort } from '../api';
import type { FeedStatus } from './feed';
import { repeat } from './repeat';

export class Answer<T> {
  /** The last answer; null before the first. */
  data = $state.raw<T | null>(null);
  /** Why the last request failed; null if it did not. */
  error = $state<string | null>(null);
  /** When the last answer came or what it said of itself, Unix ms; 0 before the first. */
  asOf = $state(0);
  /** Time between two requests, ms. */
  period = $state(0);
  #stop: (() => void) | null = null;
  #again: (() => void) | null = null;

  get status(): FeedStatus {
    if (this.error !== null) return 'failed';
    return this.data === null ? 'connecting' : 'polling';
  }

  /**
   * Asks now and every `period` ms, until the returned function is called or something else is followed. `asOf` tells
   * the time of an answer (Unix ms). What was shown before stays until the first answer: a page dims it, or calls {@link clear}.
   */
  follow(ask: (signal: AbortSignal) => Promise<T>, period: number, asOf: (data: T) => number = () => Date.now()): () => void {
    this.#stop?.();
    this.period = period;
    const start = (): (() => void) => repeat((signal) => this.#attempt(ask, asOf, signal), period);
    const stop = (this.#stop = start());
    this.#again = () => {
      this.#stop?.();
      this.#stop = start();
    };
    return () => {
      stop();
      this.#stop?.();
    };
  }

  /** Asks at once. */
  retry(): void {
    this.#again?.();
  }

  /** Forgets what is shown. */
  clear(): void {
    this.data = null;
    this.error = null;
    this.asOf = 0;
  }

  async #attempt(ask: (signal: AbortSignal) => Promise<T>, asOf: (data: T) => number, signal: AbortSignal): Promise<void> {
    try {
      const data = await ask(signal);
      if (signal.aborted) return;
      this.data = data;
      this.asOf = asOf(data);
      this.error = null;
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
    }
  }
}
