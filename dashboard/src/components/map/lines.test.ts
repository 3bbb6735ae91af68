import { describe, expect, it } from 'vitest';
import { LOSS_EDGES, LOSS_LABELS, latencyStyle, lossClass, lossStyle, LOSSY_DASH, SILENT_DASH, STALE_DASH } from './lines';

describe('a line by latency', () => {
  const heat = Array.from({ length: 16 }, (_, index) => `class ${index}`);
  const reading = { rtt_ms: 25, loss: 0, stale: false };

  it('has the colour of its class', () => {
    expect(latencyStyle(reading, heat)).toMatchObject({ stroke: 'class 2', dash: null });
  });

  it('says by dashes what is wrong with it', () => {
    expect(latencyStyle({ ...reading, loss: 0.01 }, heat).dash).toBe(LOSSY_DASH);
    expect(latencyStyle({ ...reading, loss: 0.01, stale: true }, heat).dash).toBe(STALE_DASH);
    expect(latencyStyle({ ...reading, rtt_ms: null, loss: 1 }, heat).dash).toBe(SILENT_DASH);
  });
});

describe('a line by loss', () => {
  it('has a class for none, for all, and for what is between', () => {
    expect(LOSS_LABELS).toHaveLength(LOSS_EDGES.length);
    expect([0, 0.001, 0.005, 0.03, 0.5, 1].map(lossClass)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('is the wider the more is lost', () => {
    const widths = LOSS_EDGES.map((_, index) => lossStyle(index).width);
    expect(widths).toEqual([...widths].sort((one, other) => one - other));
    expect(new Set(widths).size).toBe(widths.length);
  });
});
