/** How the matrix is shown: words for its measures, and when it is too large for a table. */

import type { Measure } from '../../lib/colour';
import type { Group } from '../../lib/places';

/** A table of more rows or columns than this is neither readable nor quick. */
const LARGE = 45;

function size(groups: readonly Group[]): number {
  return groups.reduce((sum, { places }) => sum + places.length, 0);
}

/** Whether the cells are to be drawn instead of written. */
export function isLarge(rows: readonly Group[], columns: readonly Group[]): boolean {
  return size(rows) > LARGE || size(columns) > LARGE;
}

/** What the numbers are, such as "Round-trip time in ms, p50". */
export function measureWords(measure: Measure, percentile: string): string {
  switch (measure) {
    case 'rtt':
      return `Round-trip time in ms, ${percentile}`;
    case 'loss':
      return 'Lost probes in %';
    case 'jitter':
      return 'Jitter in ms (mean round-trip time less the least)';
    case 'fibre':
      return `Round-trip time as a multiple of light’s in fibre, ${percentile}`;
  }
}
