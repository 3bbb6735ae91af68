/** What the map asks for. Frames of the past are kept, so that a playback that comes back to one asks for it no more. */

import { getMatrix, rfc3339, timeOf, type Cell, type Matrix, type MatrixQuery } from '../../api';
import { WINDOW_MS } from '../../lib/words';
import type { MapState } from './address';

/** What selects the numbers. */
export type Selection = Pick<MapState, 'percentile' | 'window' | 'at'>;

/** The numbers of one moment. */
export interface Frame {
  selection: Selection;
  cells: readonly Cell[];
  /** Everything that measures or is measured in it. */
  ids: readonly string[];
  /** Unix ms. */
  asOf: number;
}

/** Frames that are kept; each is of some thousand numbers. */
const KEPT = 48;

export function keyOf({ percentile, window, at }: Selection): string {
  return `${percentile} ${window} ${at ?? 'now'}`;
}

/** The window now, or the same length of time before a moment. */
export function matrixQuery({ percentile, window, at }: Selection): MatrixQuery {
  return at === null ? { percentile, window } : { percentile, start: rfc3339(at - WINDOW_MS[window]), end: rfc3339(at) };
}

/** Keeps the newest of what was asked for. */
export class Frames {
  readonly #kept = new Map<string, Promise<Matrix>>();

  /** The matrix of a selection. One of the past goes on loading when it is no longer wanted: it will be. */
  matrix(selection: Selection, signal: AbortSignal | null): Promise<Matrix> {
    if (selection.at === null) return getMatrix(matrixQuery(selection), signal);
    const key = keyOf(selection);
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const asked = getMatrix(matrixQuery(selection));
    this.#kept.set(key, asked);
    asked.catch(() => this.#kept.delete(key));
    for (const [oldest] of this.#kept) if (this.#kept.size > KEPT) this.#kept.delete(oldest);
    return asked;
  }

  async frame(selection: Selection, signal: AbortSignal): Promise<Frame> {
    const { cells, sources, targets, as_of } = await this.matrix(selection, signal);
    return { selection, cells, ids: [...new Set([...sources, ...targets])], asOf: timeOf(as_of) };
  }
}
