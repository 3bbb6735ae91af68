/** The live matrix as reactive state. Each cell is a slot of its own, so that a change touches one cell only. */

import { getMatrix, openStream, timeOf, type Cell, type CellUpdate, type Matrix, type Percentile } from '../api';
import type { LiveWindow } from '../lib/words';
import { keyOf, merge, type Entry } from '../lib/matrix';
import { catalogue } from './catalogue.svelte';
import { Feed, type FeedStatus } from './feed';

/** One direction of one pair. */
export class Slot {
  entry = $state.raw<Entry | undefined>();

  get cell(): Cell | undefined {
    return this.entry?.cell;
  }
}

export interface Selection {
  percentile: Percentile;
  window: LiveWindow;
}

export class MatrixModel {
  /** What the numbers on the page are; lags behind the choice until the answer is there. */
  shown = $state.raw<Selection | null>(null);
  sources = $state.raw<string[]>([]);
  targets = $state.raw<string[]>([]);
  /** Time of the newest answer, Unix ms, by the server's clock. */
  asOf = $state(0);
  status = $state<FeedStatus>('connecting');
  error = $state<string | null>(null);

  readonly #slots = new Map<string, Slot>();
  #feed: Feed | null = null;

  /** The slot of a direction; it is made when first asked for. */
  slot(source: string, target: string): Slot {
    const key = keyOf(source, target);
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = new Slot();
      this.#slots.set(key, slot);
    }
    return slot;
  }

  /** Follows the matrix of a selection until {@link close} or the next call. */
  follow(selection: Selection): void {
    this.close();
    this.#feed = new Feed(
      { getMatrix: (signal) => getMatrix(selection, signal), openStream: () => openStream(selection) },
      {
        snapshot: (matrix) => this.snapshot(matrix, selection),
        update: (update) => this.update(update),
        status: (status, error) => {
          this.status = status;
          this.error = error;
        },
      },
      () => performance.now(),
    );
    this.#feed.start();
  }

  close(): void {
    this.#feed?.stop();
    this.#feed = null;
  }

  retry(): void {
    void this.#feed?.load();
  }

  /** Takes in a whole matrix of a selection. Cells that it lacks were never measured. */
  snapshot(matrix: Matrix, { percentile, window }: Selection): void {
    const asOf = timeOf(matrix.as_of);
    const replace = this.shown?.percentile !== percentile || this.shown.window !== window;
    const present = new Set(matrix.cells.map((cell) => keyOf(cell.source, cell.target)));
    for (const [key, slot] of this.#slots) {
      if (replace || (!present.has(key) && (slot.entry?.asOf ?? 0) <= asOf)) slot.entry = undefined;
    }
    if (replace) this.shown = { percentile, window };
    catalogue.simulated = matrix.simulated;
    if (matrix.sources.join() !== this.sources.join()) this.sources = matrix.sources;
    if (matrix.targets.join() !== this.targets.join()) this.targets = matrix.targets;
    this.#take(asOf, matrix.cells);
  }

  /** Takes in the changes of one event of the stream. */
  update(update: CellUpdate): void {
    this.#take(timeOf(update.as_of), update.cells);
  }

  #take(asOf: number, cells: readonly Cell[]): void {
    const known = { get: (key: string) => this.#slots.get(key)?.entry };
    const { changed, newSources, newTargets } = merge(known, new Set(this.sources), new Set(this.targets), asOf, cells);
    for (const entry of changed.values()) this.slot(entry.cell.source, entry.cell.target).entry = entry;
    if (newSources.length > 0) this.sources = [...this.sources, ...newSources];
    if (newTargets.length > 0) this.targets = [...this.targets, ...newTargets];
    this.asOf = Math.max(this.asOf, asOf);
  }
}
