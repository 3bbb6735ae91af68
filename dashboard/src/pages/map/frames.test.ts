import { afterEach, describe, expect, it, vi } from 'vitest';
import type { MatrixQuery } from '../../api';
import { Frames, keyOf, matrixQuery, type Selection } from './frames';

const NOON = Date.parse('2026-11-22T12:00:00Z');
const past = (minutes: number): Selection => ({ percentile: 'p50', window: '5m', at: NOON - minutes * 60_000 });
const present: Selection = { percentile: 'p50', window: '5m', at: null };

const asked = vi.hoisted(() => vi.fn<(query: MatrixQuery) => Promise<unknown>>());
vi.mock('../../api', async (original) => ({ ...(await original<object>()), getMatrix: asked }));

const MATRIX = { cells: [], sources: ['a', 'b'], targets: ['b', 'c'], as_of: '2026-11-22T12:00:00Z' };

afterEach(() => void asked.mockReset());

it('asks for the window now, or for as long before a moment', () => {
  expect(matrixQuery(present)).toEqual({ percentile: 'p50', window: '5m' });
  expect(matrixQuery(past(0))).toEqual({ percentile: 'p50', start: '2026-11-22T11:55:00.000Z', end: '2026-11-22T12:00:00.000Z' });
  expect(new Set([present, past(0), past(15), { ...present, window: '1h' as const }].map(keyOf)).size).toBe(4);
});

describe('frames', () => {
  const { signal } = new AbortController();

  it('of the past are asked for once, the present always', async () => {
    asked.mockResolvedValue(MATRIX);
    const frames = new Frames();
    expect(await frames.frame(past(0), signal)).toMatchObject({ ids: ['a', 'b', 'c'], asOf: NOON });
    await frames.frame(past(0), signal);
    expect(asked).toHaveBeenCalledTimes(1);
    await frames.frame(present, signal);
    await frames.frame(present, signal);
    expect(asked).toHaveBeenCalledTimes(3);
  });

  it('that could not be had are asked for again', async () => {
    asked.mockRejectedValueOnce(new Error('away')).mockResolvedValue(MATRIX);
    const frames = new Frames();
    await expect(frames.frame(past(0), signal)).rejects.toThrow('away');
    await frames.frame(past(0), signal);
    expect(asked).toHaveBeenCalledTimes(2);
  });

  it('are not kept without end', async () => {
    asked.mockResolvedValue(MATRIX);
    const frames = new Frames();
    for (let step = 0; step < 60; step += 1) await frames.frame(past(15 * step), signal);
    await frames.frame(past(15 * 59), signal);
    expect(asked).toHaveBeenCalledTimes(60);
    await frames.frame(past(0), signal);
    expect(asked).toHaveBeenCalledTimes(61);
  });
});
