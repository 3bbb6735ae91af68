/** The live matrix as reactive state. Each cell is a slot of its own, so that a change touches one cell only. */

import { getMatrix, openStream, timeOf, type Cell, type CellUpdate, type Matrix } from '../api';
import { keyOf, merge, queryOf, recount, sameSelection, type Counts, type Entry, type Selection } from '../lib/matrix';
import { catalogue } from './catalogue.svelte';
import { Feed, POLL_MS, type FeedStatus } from './feed';

/** One direction of one pair. */
export class Slot {
  entry = $state.raw<Entry | undefined>();

  get cell(): Cell | undefined {
    return this.entry?.cell;
  }
}

/** Makes a slot as if nobody asked: what makes a state while it is computed itself would never hear of its changes. */
function makeSlot(): Slot {
  const made: Slot[] = [];
  if ($effect.tracking()) $effect.root(() => void made.push(new Slot()))();
  return made[0] ?? new Slot();
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
  /** Time between two requests while nothing is streamed, ms. */
  readonly period = POLL_MS;
  /** Kept as changes come: to count 40,000 cells at each of them would take longer than they are apart. */
  counts = $state.raw<Counts>({ measured: 0, few: 0 });
  /** Rises with every change of any cell; for what draws all of them at once. */
  revision = $state(0);

  /** By source and then by target: to put 40,000 keys together takes longer than to look them up. */
  readonly #slots = new Map<string, Map<string, Slot>>();
  #feed: Feed | null = null;

  /** The slot of a direction; it is made when first asked for. */
  slot(source: string, target: string): Slot {
    let row = this.#slots.get(source);
    if (row === undefined) this.#slots.set(source, (row = new Map()));
    let slot = row.get(target);
    if (slot === undefined) {
      slot = makeSlot();
      row.set(target, slot);
    }
    return slot;
  }

  /** Follows the matrix of a selection until {@link close} or the next call. */
  follow(selection: Selection): void {
    this.close();
    const { percentile, window, protocol, at } = selection;
    this.#feed = new Feed(
      {
        getMatrix: (signal) => getMatrix(queryOf(selection), signal),
        openStream: at === null ? () => openStream({ percentile, window, protocol }) : null,
      },
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
  snapshot(matrix: Matrix, selection: Selection): void {
    const asOf = timeOf(matrix.as_of);
    const replace = !sameSelection(this.shown, selection);
    const present = new Set(matrix.cells.map((cell) => keyOf(cell.source, cell.target)));
    let counts = this.counts;
    for (const [source, row] of this.#slots)
      for (const [target, slot] of row) {
        if (slot.entry === undefined) continue;
        if (replace || (slot.entry.asOf <= asOf && !present.has(keyOf(source, target)))) counts = put(slot, undefined, counts);
      }
    this.counts = counts;
    if (replace) {
      this.shown = selection;
      this.asOf = 0;
    }
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
    const known = (source: string, target: string): Entry | undefined => this.#slots.get(source)?.get(target)?.entry;
    const { changed, newSources, newTargets } = merge(known, new Set(this.sources), new Set(this.targets), asOf, cells);
    let counts = this.counts;
    for (const entry of changed.values()) counts = put(this.slot(entry.cell.source, entry.cell.target), entry, counts);
    this.counts = counts;
    if (newSources.length > 0) this.sources = [...this.sources, ...newSources];
    if (newTargets.length > 0) this.targets = [...this.targets, ...newTargets];
    this.asOf = Math.max(this.asOf, asOf);
    this.revision += 1;
  }
}

/** Writes an entry into its slot, and tells the new counts. */
function put(slot: Slot, entry: Entry | undefined, counts: Counts): Counts {
  const counted = recount(counts, slot.cell, entry?.cell);
  slot.entry = entry;
  return counted;
}
