/** What is drawn over the bands: the steps, and the floor. */

import uPlot from 'uplot';
import * as format from '../../lib/format';
import type { Theme } from './chart';
import type { Mark } from './words';

const FONT_PX = 12;
/** Room of a mark's text in CSS pixels; texts that would overlap are left to the table. */
const TEXT_ROOM = 58;

/** Runs `draw` with what it sets undone after it. */
function apart(plot: uPlot, draw: (ctx: CanvasRenderingContext2D, ratio: number) => void): void {
  const ratio = uPlot.pxRatio;
  plot.ctx.save();
  plot.ctx.font = `${FONT_PX * ratio}px system-ui, sans-serif`;
  plot.ctx.lineWidth = ratio;
  draw(plot.ctx, ratio);
  plot.ctx.restore();
}

function line(ctx: CanvasRenderingContext2D, from: [number, number], to: [number, number]): void {
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
}

/** Which side of its line a text stands on, and where it begins: at the right end there is no room to the right. */
export function placeOf(x: number, room: number, end: number): { from: number; align: 'left' | 'right' } {
  return x + room > end ? { from: x - room, align: 'right' } : { from: x, align: 'left' };
}

/** A vertical line where each new level begins, with the size of the step above it. */
export function drawMarks(plot: uPlot, marks: readonly Mark[], theme: Theme): void {
  apart(plot, (ctx, ratio) => {
    const { left, top, width, height } = plot.bbox;
    ctx.strokeStyle = theme.quiet;
    ctx.fillStyle = theme.ink;
    ctx.setLineDash([3 * ratio, 3 * ratio]);
    ctx.textBaseline = 'bottom';
    let free = -Infinity;
    for (const { time, text } of marks) {
      const x = Math.round(plot.valToPos(time, 'x', true)) + ratio / 2;
      if (x < left || x > left + width) continue;
      line(ctx, [x, top], [x, top + height]);
      const { from, align } = placeOf(x, TEXT_ROOM * ratio, left + width);
      if (from < free) continue;
      free = from + TEXT_ROOM * ratio;
      ctx.textAlign = align;
      ctx.fillText(text, x, top - 3 * ratio);
    }
  });
}

/** A level that no fibre along the great circle can be below. */
export function drawFloor(plot: uPlot, floor: number | null, theme: Theme): void {
  if (floor === null) return;
  apart(plot, (ctx, ratio) => {
    const { left, width } = plot.bbox;
    const y = Math.round(plot.valToPos(floor, 'y', true)) + ratio / 2;
    ctx.strokeStyle = ctx.fillStyle = theme.quiet;
    line(ctx, [left, y], [left + width, y]);
    ctx.textAlign = 'right';
    ctx.textBaseline = 'bottom';
    ctx.fillText(`fibre floor ${format.bareMs(floor)}`, left + width - 4 * ratio, y - 2 * ratio);
  });
}
