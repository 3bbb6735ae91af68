/** What the numbers of a frame are asked for by. */

import { getMatrix, rfc3339, timeOf, type Cell } from '../../api';
import { keyOf } from '../../lib/matrix';
import { WINDOW_MS, WINDOW_WORDS } from '../../lib/words';
import { catalogue } from '../../state/catalogue.svelte';
import type { MatrixFrame, NumberFrame } from './address';

/** Cells by their direction. */
export interface Numbers {
  cells: ReadonlyMap<string, Cell>;
  /** Unix ms. */
  asOf: number;
}

type Selection = Pick<NumberFrame, 'percentile' | 'window' | 'protocol' | 'at'>;

/** How often a frame asks again, in ms; what ended in the past stays. */
export function periodOf({ window, at }: Selection): number {
  if (at !== null) return 3_600_000;
  return window === '5m' ? 5_000 : 30_000;
}

/** "p50 of the last 5 min"; as of when is said beside it. */
export function windowWords({ percentile, window }: Selection): string {
  return `${percentile} of the last ${WINDOW_WORDS[window]}`;
}

/** Asks for the cells between some sources and one or all targets. */
export async function askNumbers(frame: NumberFrame | MatrixFrame, signal: AbortSignal): Promise<Numbers> {
  const { percentile, window, protocol, at } = frame;
  const when = at === null ? { window } : { start: rfc3339(at - WINDOW_MS[window]), end: rfc3339(at) };
  const queries = frame.kind === 'number' ? [{ source: frame.source, target: frame.target }] : frame.regions.map((source) => ({ source }));
  const answers = await Promise.all(queries.map((query) => getMatrix({ percentile, protocol, ...when, ...query }, signal)));
  catalogue.simulated = answers.some(({ simulated }) => simulated);
  return {
    cells: new Map(answers.flatMap(({ cells }) => cells).map((cell) => [keyOf(cell.source, cell.target), cell])),
    asOf: at ?? Math.max(0, ...answers.map(({ as_of }) => timeOf(as_of))),
  };
}
