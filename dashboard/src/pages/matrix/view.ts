/** How the matrix is shown: words for its measures, and when it is too large for a table. */

import type { Measure } from '../../lib/colour';
import { windowWords, type Selection } from '../../lib/matrix';
import type { Group } from '../../lib/places';
import { hasPercentile } from './address';

/** A table of more rows or columns than this is neither readable nor quick. */
const LARGE = 45;

function size(groups: readonly Group[]): number {
  return groups.reduce((sum, { places }) => sum + places.length, 0);
}

/** Whether the cells are to be drawn instead of written. */
export function isLarge(rows: readonly Group[], columns: readonly Group[]): boolean {
  return size(rows) > LARGE || size(columns) > LARGE;
}

/** What the numbers are, such as "Round-trip time in ms". */
export function measureWords(measure: Measure): string {
  switch (measure) {
    case 'rtt':
      return 'Round-trip time in ms';
    case 'loss':
      return 'Probes lost, %';
    case 'jitter':
      return 'Mean jitter in ms (round-trip time less the least)';
    case 'fibre':
      return 'Round-trip time, × light’s in fibre';
  }
}

/** The same with what they are of: "Round-trip time in ms, p50 of the last 5 min". */
export function headline(measure: Measure, selection: Selection): string {
  const window = windowWords(selection);
  return hasPercentile(measure) ? `${measureWords(measure)}, ${selection.percentile} of ${window}` : `${measureWords(measure)}, in ${window}`;
}
