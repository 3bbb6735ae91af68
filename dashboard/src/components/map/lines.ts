/** How a line of a map is drawn for what it stands for. */

import { classOf } from '../../lib/colour';

/** What a line says. */
export interface Reading {
  /** Null when nothing was answered. */
  rtt_ms: number | null;
  loss: number;
  /** The newest probe is old. */
  stale: boolean;
}

export interface LineStyle {
  /** A colour, or a variable of the page. */
  stroke: string;
  width: number;
  /** `stroke-dasharray`; null for a whole line. Dashes say what colour alone must not. */
  dash: string | null;
  /** Whether an outline sets it off: the ramp of latency begins near the colour of the page. */
  outlined: boolean;
}

/** What is dashed: lost probes with long dashes, old numbers with dots, no answer at all with short dashes. */
export const LOSSY_DASH = '9 3';
export const STALE_DASH = '1 4';
export const SILENT_DASH = '4 4';

/** Lower bounds of the classes of loss; the first is for none at all. */
export const LOSS_EDGES = [0, 1e-9, 0.005, 0.02, 0.1, 1] as const;
export const LOSS_LABELS = ['none', 'up to 0.5 %', '0.5–2 %', '2–10 %', '10 % and more', 'all'] as const;

/** Index of the class that holds a share. */
export function lossClass(share: number): number {
  return LOSS_EDGES.findLastIndex((edge) => share >= edge);
}

/** A line coloured by loss; its width grows with it too. */
export function lossStyle(index: number): LineStyle {
  if (index === 0) return { stroke: 'var(--quiet)', width: 0.75, dash: null, outlined: false };
  const share = [0, 45, 65, 85, 100, 100][index] ?? 100;
  const dash = index === LOSS_EDGES.length - 1 ? SILENT_DASH : null;
  return { stroke: `color-mix(in srgb, var(--loss) ${share}%, var(--quiet))`, width: 0.75 + 0.4 * index, dash, outlined: false };
}

/** A line coloured by latency out of the paints of the heat scale. */
export function latencyStyle({ rtt_ms, loss, stale }: Reading, heat: readonly string[]): LineStyle {
  if (rtt_ms === null) return { stroke: 'var(--loss)', width: 1.25, dash: SILENT_DASH, outlined: false };
  const dash = stale ? STALE_DASH : loss > 0 ? LOSSY_DASH : null;
  return { stroke: heat[classOf(rtt_ms)] ?? 'currentcolor', width: 2, dash, outlined: true };
}
