import { describe, expect, it } from 'vitest';
import type { Cell } from '../api';
import { cellText, describe as inWords, floorOf, keyOf, merge, queryOf, recount, sameSelection, valueOf, viewOf, type Entry, type Selection } from './matrix';
import { Atlas } from './places';

const NOW = Date.UTC(2026, 0, 1);

function cell(source: string, target: string, part: Partial<Cell> = {}): Cell {
  const last = new Date(NOW - 1_000).toISOString();
  return { source, target, rtt_ms: 68.41, count: 300, sent: 300, lost: 0, retransmitted: 0, loss: 0, stddev_ms: 0.3, jitter_ms: 0.5, low_count: false, last, ...part };
}

/** A plain store that takes merges in, as the page's model does. */
class Store {
  readonly entries = new Map<string, Entry>();
  sources = new Set<string>();
  targets = new Set<string>();

  take(asOf: number, ...cells: Cell[]): string[] {
    const { changed, newSources, newTargets } = merge((source, target) => this.entries.get(keyOf(source, target)), this.sources, this.targets, asOf, cells);
    for (const [key, entry] of changed) this.entries.set(key, entry);
    this.sources = new Set([...this.sources, ...newSources]);
    this.targets = new Set([...this.targets, ...newTargets]);
    return [...changed.keys()];
  }
}

describe('merge', () => {
  it('names new sources and targets once, and the changed cells', () => {
    const store = new Store();
    expect(store.take(1, cell('a', 'b'), cell('a', 'c'))).toEqual([keyOf('a', 'b'), keyOf('a', 'c')]);
    expect([...store.sources]).toEqual(['a']);
    expect([...store.targets]).toEqual(['b', 'c']);
  });

  it('touches nothing when the numbers are the same', () => {
    const store = new Store();
    store.take(1, cell('a', 'b'));
    expect(store.take(2, cell('a', 'b'))).toEqual([]);
  });

  it('touches only what changed', () => {
    const store = new Store();
    store.take(1, cell('a', 'b'), cell('a', 'c'));
    expect(store.take(2, cell('a', 'b'), cell('a', 'c', { rtt_ms: 70 }))).toEqual([keyOf('a', 'c')]);
  });

  it('lets no late answer bring old numbers back', () => {
    const store = new Store();
    store.take(5, cell('a', 'b', { rtt_ms: 5 }));
    store.take(4, cell('a', 'b', { rtt_ms: 4 }));
    expect(store.entries.get(keyOf('a', 'b'))?.cell.rtt_ms).toBe(5);
  });

  it('ends with the newest numbers in whatever order the answers come', () => {
    const answers = [1, 2, 3, 4].map((asOf) => ({ asOf, cell: cell('a', 'b', { rtt_ms: asOf }) }));
    for (const order of [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]]) {
      const store = new Store();
      for (const index of order) store.take(answers[index]!.asOf, answers[index]!.cell);
      expect(store.entries.get(keyOf('a', 'b'))?.cell.rtt_ms).toBe(4);
    }
  });

  it('notices a change in loss alone', () => {
    const store = new Store();
    store.take(1, cell('a', 'b'));
    expect(store.take(2, cell('a', 'b', { sent: 301, lost: 1, loss: 1 / 301 }))).toHaveLength(1);
  });

  it('keeps directions apart', () => expect(keyOf('a', 'b')).not.toBe(keyOf('b', 'a')));
});

describe('the view of a cell', () => {
  it('is empty when the pair was never measured', () => {
    const view = viewOf(undefined, NOW);
    expect(view).toMatchObject({ text: '', heat: null, lossy: false, stale: false });
    expect(inWords('a', 'b', undefined, view)).toBe('a to b: not measured');
  });

  it('is empty when everything that was measured has left the window', () => {
    const emptied = cell('a', 'b', { rtt_ms: null, count: 0, sent: 0, lost: 0, loss: 0, low_count: true });
    const view = viewOf(emptied, NOW);
    expect(view).toEqual(viewOf(undefined, NOW));
    expect(inWords('a', 'b', emptied, view)).toBe('a to b: not measured');
  });

  it('has no number and a loss mark when nothing came back', () => {
    const dead = cell('a', 'b', { rtt_ms: null, count: 0, lost: 300, loss: 1, low_count: true, last: null });
    const view = viewOf(dead, NOW);
    expect(view).toEqual({ text: '–', heat: null, lossy: true, stale: false, lowCount: false });
    expect(inWords('a', 'b', dead, view)).toBe('a to b: no answer, 100 % lost');
  });

  it('is stale when the newest sample is older than 60 s', () => {
    const aged = (age: number): boolean => viewOf(cell('a', 'b', { last: new Date(NOW - age).toISOString() }), NOW).stale;
    expect(aged(60_000)).toBe(false);
    expect(aged(60_001)).toBe(true);
  });

  it('says every mark in words', () => {
    const marked = cell('a', 'b', { lost: 3, sent: 303, loss: 3 / 303, low_count: true, last: new Date(NOW - 90_000).toISOString() });
    expect(inWords('a', 'b', marked, viewOf(marked, NOW))).toBe('a to b: 68 ms, 0.99 % lost, few samples, stale');
  });
});

describe('a selection', () => {
  const live: Selection = { percentile: 'p99.9', window: '1h', protocol: 'tls', at: null };

  it('is a rolling window, or a range of the past in whole minutes', () => {
    expect(queryOf(live)).toEqual({ percentile: 'p99.9', window: '1h', protocol: 'tls' });
    expect(queryOf({ ...live, at: NOW + 59_999 })).toEqual({
      percentile: 'p99.9', protocol: 'tls', start: '2025-12-31T23:00:00.000Z', end: '2026-01-01T00:00:00.000Z',
    });
  });

  it('is the same only when all of it is', () => {
    expect(sameSelection(live, { ...live })).toBe(true);
    expect(sameSelection(null, live)).toBe(false);
    for (const part of [{ percentile: 'p50' }, { window: '5m' }, { protocol: 'tcp' }, { at: 1 }] as const) expect(sameSelection(live, { ...live, ...part })).toBe(false);
  });
});

describe('a measure', () => {
  const region = { provider: 'aws', partition: 'aws', name: '', city: '', country: 'XX', continent: 'EU', vantage: true };
  const atlas = new Atlas({
    simulated: true,
    vantages: [],
    regions: [
      { ...region, id: 'here', latitude: 0, longitude: 0 },
      { ...region, id: 'beside', latitude: 0, longitude: 0.05 },
      { ...region, id: 'far', latitude: 0, longitude: 90 },
    ],
  });
  const floor = (to: string): number | null => floorOf(atlas.place('here'), atlas.place(to));

  it('takes its number out of the cell', () => {
    const some = cell('a', 'b', { rtt_ms: 150, loss: 0.25, jitter_ms: 1.5 });
    expect([valueOf(some, 'rtt', 100), valueOf(some, 'loss', 100), valueOf(some, 'jitter', 100), valueOf(some, 'fibre', 100)]).toEqual([150, 0.25, 1.5, 1.5]);
    expect(valueOf(some, 'fibre', null)).toBeNull();
    expect(valueOf(cell('a', 'b', { sent: 0 }), 'loss', null)).toBeNull();
  });

  it('knows a floor only between places that are apart', () => {
    // A quarter of the equator, there and back, at 200 km per ms.
    expect(floor('far')).toBeCloseTo(100.08, 1);
    expect(floor('beside')).toBeNull();
    expect(floor('a laptop')).toBeNull();
  });

  it('fits a cell and never rounds some loss to none, or to all', () => {
    expect([0, 0.0001, 0.012, 0.5, 0.9999, 1].map((share) => cellText(share, 'loss'))).toEqual(['0', '<0.1', '1.2', '50', '99', '100']);
    expect([0.123, 0.999, 12.3].map((value) => cellText(value, 'jitter'))).toEqual(['0.12', '1.0', '12']);
    expect([1.449, 9.99, 12.3].map((value) => cellText(value, 'fibre'))).toEqual(['1.45', '9.99', '12']);
  });

  it('shows the loss of a pair that never answered', () => {
    const dead = cell('a', 'b', { rtt_ms: null, jitter_ms: null, count: 0, lost: 300, loss: 1, low_count: true });
    expect(viewOf(dead, NOW, 'loss')).toMatchObject({ text: '100', heat: 15, lowCount: false });
    expect(viewOf(dead, NOW, 'jitter')).toMatchObject({ text: '–', heat: null });
    expect(inWords('a', 'b', dead, viewOf(dead, NOW, 'loss'), 'loss')).toBe('a to b: 100 % lost');
  });

  it('says why there is no multiple', () => {
    const near = cell('a', 'b');
    expect(inWords('a', 'b', near, viewOf(near, NOW, 'fibre'), 'fibre')).toBe('a to b: no distance to compare with');
  });
});

describe('the counts', () => {
  const none = { measured: 0, few: 0 };
  const [full, few, dead] = [cell('a', 'b'), cell('a', 'b', { low_count: true }), cell('a', 'b', { rtt_ms: null, low_count: true })];

  it('follow what comes, changes and goes', () => {
    const one = recount(none, undefined, full);
    expect(one).toEqual({ measured: 1, few: 0 });
    expect(recount(one, full, few)).toEqual({ measured: 1, few: 1 });
    expect(recount({ measured: 1, few: 1 }, few, dead)).toEqual(none);
    expect(recount(one, full, undefined)).toEqual(none);
  });

  it('stay the very same where nothing changes, so that nobody is told', () => {
    const one = recount(none, undefined, full);
    expect(recount(one, full, cell('a', 'b', { rtt_ms: 1 }))).toBe(one);
    expect(recount(none, undefined, dead)).toBe(none);
  });
});
