import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CellUpdate, Matrix } from '../api';
import { Feed, POLL_MS, REOPEN_MS, SILENCE_MS, type StreamLike } from './feed';

const MATRIX: Matrix = {
  window: '5m', percentile: 'p50', protocol: 'tcp', unit: 'ms', as_of: '2026-01-01T00:00:00Z', simulated: true, sources: [], targets: [], cells: [],
};
const UPDATE: CellUpdate = { as_of: '2026-01-01T00:00:01Z', cells: [] };

class FalseStream implements StreamLike {
  readyState = 0;
  readonly #listeners = new Map<string, (event: MessageEvent<string>) => void>();

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.set(type, listener);
  }

  close(): void {
    this.readyState = 2;
  }

  emit(type: string, data = ''): void {
    this.#listeners.get(type)?.({ data } as MessageEvent<string>);
  }
}

/** A server whose answers and streams the test holds in its hand. */
function setup(past = false) {
  const streams: FalseStream[] = [];
  const seen: string[] = [];
  const server = { up: true, requests: 0 };
  const feed = new Feed(
    {
      getMatrix: async () => {
        server.requests += 1;
        if (!server.up) throw new Error('down');
        return MATRIX;
      },
      openStream: past
        ? null
        : () => {
            const stream = new FalseStream();
            streams.push(stream);
            return stream;
          },
    },
    {
      snapshot: () => seen.push('snapshot'),
      update: () => seen.push('update'),
      status: (status, error) => seen.push(error === null ? status : `${status}: ${error}`),
    },
    () => Date.now(),
  );
  return { feed, streams, seen, server, stream: () => streams.at(-1)! };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe('feed', () => {
  it('is live once snapshot and stream are there', async () => {
    const { feed, seen, stream } = setup();
    feed.start();
    stream().emit('open');
    await settle();
    expect(seen[0]).toBe('connecting');
    expect(seen.at(-1)).toBe('live');
    feed.stop();
  });

  it('keeps changes that come before the snapshot and applies them after it', async () => {
    const { feed, seen, stream } = setup();
    feed.start();
    stream().emit('cell', JSON.stringify(UPDATE));
    expect(seen).not.toContain('update');
    await settle();
    expect(seen.indexOf('update')).toBeGreaterThan(seen.indexOf('snapshot'));
    feed.stop();
  });

  it('polls while the stream is broken and returns to it', async () => {
    const { feed, seen, server, stream } = setup();
    feed.start();
    stream().emit('open');
    await settle();
    stream().emit('error');
    await settle();
    expect(seen.at(-1)).toBe('polling');
    const before = server.requests;
    await vi.advanceTimersByTimeAsync(3 * POLL_MS);
    expect(server.requests).toBe(before + 3);
    stream().emit('open');
    await settle();
    expect(seen.at(-1)).toBe('live');
    feed.stop();
  });

  it('does not poll while the stream delivers', async () => {
    const { feed, server, stream } = setup();
    feed.start();
    stream().emit('open');
    await settle();
    const before = server.requests;
    for (let second = 0; second < 60; second += 1) {
      stream().emit('cell', JSON.stringify(UPDATE));
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(server.requests).toBe(before);
    feed.stop();
  });

  it('asks when an open stream is silent', async () => {
    const { feed, server, stream } = setup();
    feed.start();
    stream().emit('open');
    await settle();
    const before = server.requests;
    await vi.advanceTimersByTimeAsync(SILENCE_MS + POLL_MS);
    expect(server.requests).toBeGreaterThan(before);
    feed.stop();
  });

  it('says why it fails, and recovers by itself', async () => {
    const { feed, seen, server, stream } = setup();
    server.up = false;
    feed.start();
    stream().emit('error');
    await settle();
    expect(seen.at(-1)).toBe('failed: down');
    server.up = true;
    await vi.advanceTimersByTimeAsync(POLL_MS);
    expect(seen.at(-1)).toBe('polling');
    feed.stop();
  });

  it('opens a stream again that the browser has given up', async () => {
    const { feed, streams, stream } = setup();
    feed.start();
    await settle();
    stream().readyState = 2;
    stream().emit('error');
    await vi.advanceTimersByTimeAsync(REOPEN_MS);
    expect(streams).toHaveLength(2);
    feed.stop();
  });

  it('says nothing after it was stopped', async () => {
    const { feed, seen, stream } = setup();
    feed.start();
    feed.stop();
    const before = seen.length;
    stream().emit('open');
    stream().emit('cell', JSON.stringify(UPDATE));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toHaveLength(before);
    expect(stream().readyState).toBe(2);
  });

  it('asks for the past until it is there, and then no more', async () => {
    const { feed, seen, server } = setup(true);
    server.up = false;
    feed.start();
    await settle();
    expect(seen.at(-1)).toBe('failed: down');
    server.up = true;
    await vi.advanceTimersByTimeAsync(POLL_MS);
    expect(seen).toContain('snapshot');
    expect(server.requests).toBe(2);
    await vi.advanceTimersByTimeAsync(10 * POLL_MS);
    expect(server.requests).toBe(2);
    feed.stop();
  });
});
