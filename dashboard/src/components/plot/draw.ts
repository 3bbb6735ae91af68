/** What charts are drawn with, on a canvas in CSS px. */

import { area, line } from 'd3-shape';
import { placeOf, type Axis } from './axis';

/** Where the values are drawn; the axes stand around it. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A canvas with what is drawn where on it. */
export interface Frame {
  ctx: CanvasRenderingContext2D;
  x: Axis;
  y: Axis;
}

export interface Stroke {
  stroke: string;
  width: number;
  dash?: readonly number[] | undefined;
}

type Values = readonly (number | null)[];

const FONT = '12px system-ui, sans-serif';
/** Between an axis and what stands at it. */
const GAP = 6;

/** A colour of the page's style sheet, where both schemes are defined. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Draws with what it sets undone after it, and nothing outside the axes where that is asked for. */
export function apart({ ctx, x, y }: Frame, within: boolean, draw: () => void): void {
  ctx.save();
  ctx.font = FONT;
  if (within) {
    ctx.beginPath();
    ctx.rect(x.from, y.to, x.to - x.from, y.from - y.to);
    ctx.clip();
  }
  draw();
  ctx.restore();
}

export function drawPiece(ctx: CanvasRenderingContext2D, from: readonly [number, number], to: readonly [number, number]): void {
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
}

/** A line over ascending places, broken where a value is missing. A value between two missing ones is a dot. */
export function drawLine({ ctx, x, y }: Frame, at: readonly number[], values: Values, { stroke, width, dash = [] }: Stroke): void {
  const across = (index: number): number => placeOf(x, at[index] ?? 0);
  ctx.strokeStyle = ctx.fillStyle = stroke;
  ctx.lineWidth = width;
  ctx.lineJoin = 'round';
  ctx.setLineDash([...dash]);
  ctx.beginPath();
  line<number | null>()
    .defined((value) => value !== null)
    .x((_, index) => across(index))
    .y((value) => placeOf(y, value ?? 0))
    .context(ctx)(values);
  ctx.stroke();
  ctx.beginPath();
  values.forEach((value, index) => {
    if (value === null || (values[index - 1] ?? null) !== null || (values[index + 1] ?? null) !== null) return;
    const [right, down] = [across(index), placeOf(y, value)];
    ctx.moveTo(right, down);
    ctx.arc(right, down, 2.5, 0, 2 * Math.PI);
  });
  ctx.fill();
}

/** What lies between two lines. */
export function drawBand({ ctx, x, y }: Frame, at: readonly number[], low: Values, high: Values, fill: string): void {
  ctx.fillStyle = fill;
  ctx.beginPath();
  area<number>()
    .defined((_, index) => (low[index] ?? null) !== null && (high[index] ?? null) !== null)
    .x((place) => placeOf(x, place))
    .y0((_, index) => placeOf(y, low[index] ?? 0))
    .y1((_, index) => placeOf(y, high[index] ?? 0))
    .context(ctx)(at);
  ctx.fill();
}

/** A line across at each tick of the lower axis, with a text below it. */
export function drawLower({ ctx, x, y }: Frame, ticks: readonly number[], texts: readonly string[]): void {
  ctx.strokeStyle = colour('--line');
  ctx.fillStyle = colour('--quiet');
  ctx.textAlign = 'center';
  ctx.textBaseline = 'top';
  ticks.forEach((tick, index) => {
    const place = Math.round(placeOf(x, tick)) + 0.5;
    drawPiece(ctx, [place, y.from], [place, y.to]);
    ctx.fillText(texts[index] ?? '', place, y.from + GAP);
  });
}

/** A line along at each tick of the left axis, with a text before it. */
export function drawLeft({ ctx, x, y }: Frame, ticks: readonly number[], texts: readonly string[], label = ''): void {
  ctx.strokeStyle = colour('--line');
  ctx.fillStyle = colour('--quiet');
  ctx.textAlign = 'right';
  ctx.textBaseline = 'middle';
  ticks.forEach((tick, index) => {
    const place = Math.round(placeOf(y, tick)) + 0.5;
    drawPiece(ctx, [x.from, place], [x.to, place]);
    ctx.fillText(texts[index] ?? '', x.from - GAP, place);
  });
  ctx.translate(0, (y.from + y.to) / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.textAlign = 'center';
  ctx.textBaseline = 'top';
  ctx.fillText(label, 0, 2);
}
