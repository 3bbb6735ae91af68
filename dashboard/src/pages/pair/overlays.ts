/** What is drawn over the bands: the steps, and the floor. */

import { placeOf } from '../../components/plot/axis';
import { colour, drawPiece, type Frame } from '../../components/plot/draw';
import * as format from '../../lib/format';
import type { Mark } from './words';

/** Room of a mark's text in px; texts that would overlap are left to the table. */
const TEXT_ROOM = 58;

/** Which side of its line a text stands on, and where it begins: at the right end there is no room to the right. */
export function sideOf(x: number, room: number, end: number): { from: number; align: 'left' | 'right' } {
  return x + room > end ? { from: x - room, align: 'right' } : { from: x, align: 'left' };
}

/** A vertical line where each new level begins, with the size of the step above it. */
export function drawMarks({ ctx, x: times, y }: Frame, marks: readonly Mark[]): void {
  ctx.strokeStyle = colour('--quiet');
  ctx.fillStyle = colour('--ink');
  ctx.lineWidth = 1;
  ctx.setLineDash([3, 3]);
  ctx.textBaseline = 'bottom';
  let free = -Infinity;
  for (const { time, text } of marks) {
    const x = Math.round(placeOf(times, time)) + 0.5;
    if (x < times.from || x > times.to) continue;
    drawPiece(ctx, [x, y.to], [x, y.from]);
    const { from, align } = sideOf(x, TEXT_ROOM, times.to);
    if (from < free) continue;
    free = from + TEXT_ROOM;
    ctx.textAlign = align;
    ctx.fillText(text, x, y.to - 3);
  }
}

/** A level that no fibre along the great circle can be below. */
export function drawFloor({ ctx, x, y: levels }: Frame, floor: number): void {
  const y = Math.round(placeOf(levels, floor)) + 0.5;
  ctx.strokeStyle = ctx.fillStyle = colour('--quiet');
  ctx.lineWidth = 1;
  drawPiece(ctx, [x.from, y], [x.to, y]);
  ctx.textAlign = 'right';
  ctx.textBaseline = 'bottom';
  ctx.fillText(`fibre floor ${format.bareMs(floor)}`, x.to - 4, y - 2);
}
