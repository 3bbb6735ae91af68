/** How the two charts are drawn: percentile bands, and the loss below them on the same time axis. */

import { axisTimes, boundsOf, placeOf, timesAlong, valueTicks, type Axis } from '../../components/plot/axis';
import { apart, colour, drawBand, drawLeft, drawLine, drawLower, type Box, type Frame } from '../../components/plot/draw';
import * as format from '../../lib/format';
import { axisBounds, lossTop, middles, seenLoss, type Span } from '../../lib/series';
import { drawFloor, drawMarks } from './overlays';
import type { History } from './requests';
import { marksOf } from './words';

export const LOSS_HEIGHT = 84;

/** From one tick to the next, px. */
const TIMES_ROOM = 80;
const VALUES_ROOM = 36;
/** A window's share of its place that its bar takes, and the most, px. */
const BAR_SHARE = 0.8;
const BAR_MOST = 12;

function timeAxis({ start, end }: Span, { left, width }: Box): Axis {
  return { low: start / 1000, high: end / 1000, from: left, to: left + width };
}

/** The latency axis: it holds all that is drawn, and reaches down to the floor where that is drawn. */
function levelAxis({ columns, reverse, previous }: History, floor: number | null, { top, height }: Box): Axis {
  const lines = [columns.p10, columns.p90, columns.p50, columns.p99, reverse?.p50 ?? [], previous?.p50 ?? [], [floor]];
  const known = lines.flat().filter((value) => value !== null);
  const [low, high] = known.length === 0 ? boundsOf([]) : known.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  const [bottom, above] = axisBounds(low, high);
  return { low: bottom, high: above, from: top + height, to: top };
}

/** Draws the bands with what lies over them. */
export function drawBands(ctx: CanvasRenderingContext2D, box: Box, history: History, floor: number | null, timeZone: string): void {
  const { columns, reverse, previous } = history;
  const frame: Frame = { ctx, x: timeAxis(history, box), y: levelAxis(history, floor, box) };
  const [accent, quiet] = [colour('--accent'), colour('--quiet')];
  const at = middles(columns, history);
  const levels = valueTicks(frame.y, VALUES_ROOM);
  apart(frame, false, () => {
    drawLower(frame, timesAlong(frame.x, TIMES_ROOM, timeZone), []);
    drawLeft(frame, levels, levels.map(format.tick), 'ms');
  });
  apart(frame, true, () => {
    drawBand(frame, at, columns.p10, columns.p90, `color-mix(in srgb, ${accent} 18%, transparent)`);
    drawBand(frame, at, columns.p25, columns.p75, `color-mix(in srgb, ${accent} 34%, transparent)`);
    drawLine(frame, at, columns.p99, { stroke: colour('--ink'), width: 1 });
    if (reverse !== null) drawLine(frame, at, reverse.p50, { stroke: quiet, width: 2, dash: [2, 3] });
    if (previous !== null) drawLine(frame, at, previous.p50, { stroke: accent, width: 1.5, dash: [8, 4] });
    drawLine(frame, at, columns.p50, { stroke: accent, width: 2 });
  });
  apart(frame, false, () => {
    if (floor !== null) drawFloor(frame, floor);
    drawMarks(frame, marksOf(history.changes));
  });
}

/** Draws the loss, in percent, as bars. */
export function drawLoss(ctx: CanvasRenderingContext2D, box: Box, history: History, timeZone: string): void {
  const { columns } = history;
  const loss = seenLoss(columns.loss);
  const top = lossTop(Math.max(0, ...loss.map((share) => share ?? 0)));
  const frame: Frame = { ctx, x: timeAxis(history, box), y: { low: 0, high: top, from: box.top + box.height, to: box.top } };
  const times = timesAlong(frame.x, TIMES_ROOM, timeZone);
  apart(frame, false, () => {
    drawLower(frame, times, axisTimes(times, timeZone));
    drawLeft(frame, [0, top], [0, top].map(format.tick), '% lost');
  });
  apart(frame, true, () => {
    ctx.fillStyle = colour('--loss');
    const width = Math.max(1, Math.min(BAR_MOST, (BAR_SHARE * box.width * history.step * 1000) / (history.end - history.start)));
    middles(columns, history).forEach((time, index) => {
      const height = frame.y.from - placeOf(frame.y, loss[index] ?? 0);
      ctx.fillRect(placeOf(frame.x, time) - width / 2, frame.y.from - height, width, height);
    });
  });
}
