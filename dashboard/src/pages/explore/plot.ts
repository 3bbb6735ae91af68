/** How an answer is drawn. */

import { axisTimes, boundsOf, placeOf, timesAlong, valueTicks, type Axis } from '../../components/plot/axis';
import { apart, colour, drawLeft, drawLine, drawLower, type Box, type Frame } from '../../components/plot/draw';
import * as format from '../../lib/format';
import type { Bars, Drawing, Lines } from './chart';

/** Lines differ in their dashes too, so that they can be told apart without colour. */
export const SHADES = ['accent', 'ink', 'quiet-line', 'accent', 'ink', 'quiet-line'] as const;
export const DASHES: readonly (number[] | undefined)[] = [undefined, undefined, [2, 3], [8, 4], [8, 4], [8, 3, 2, 3]];
const VARIABLES = { accent: '--accent', ink: '--ink', 'quiet-line': '--quiet' } as const;

const HEIGHT = 280;
/** A bar with its gap, and what of it the bar takes. */
const BAR_HEIGHT = 20;
const BAR_SHARE = 0.62;
/** Names take so much of the width at most, and a character so much of that, px. */
const NAMES_SHARE = 0.42;
const CHARACTER_WIDTH = 6.6;
/** From one tick to the next, px. */
const TIMES_ROOM = 90;
const VALUES_ROOM = 36;
const LOWER_ROOM = 70;

/** The room that a drawing needs, with its axes around it. */
export interface Room {
  height: number;
  top: number;
  right: number;
  bottom: number;
  left: number;
}

export function roomOf(drawing: Drawing, width: number): Room {
  const sides = { top: 10, right: 22, bottom: 28 };
  if (drawing.kind === 'line') return { ...sides, height: HEIGHT, left: 70 };
  const longest = Math.max(...drawing.names.map(({ length }) => length));
  const left = Math.min((longest + 1) * CHARACTER_WIDTH + 16, width * NAMES_SHARE);
  return { ...sides, left, height: drawing.names.length * BAR_HEIGHT + sides.top + sides.bottom };
}

function shortName(name: string, room: number): string {
  const most = Math.floor((room - 16) / CHARACTER_WIDTH);
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}

export function timeAxis({ times }: Lines, { left, width }: Pick<Box, 'left' | 'width'>): Axis {
  const [first, last] = [times[0] ?? 0, times.at(-1) ?? 0];
  // A single moment stands in the middle of two seconds.
  const margin = first === last ? 1 : 0;
  return { low: first - margin, high: last + margin, from: left, to: left + width };
}

export function levelAxis({ lines }: Lines, { top, height }: Pick<Box, 'top' | 'height'>): Axis {
  const [low, high] = boundsOf(lines.flatMap(({ values }) => values));
  return { low, high, from: top + height, to: top };
}

export function drawLines(ctx: CanvasRenderingContext2D, box: Box, drawing: Lines, timeZone: string): void {
  const frame: Frame = { ctx, x: timeAxis(drawing, box), y: levelAxis(drawing, box) };
  const [times, levels] = [timesAlong(frame.x, TIMES_ROOM, timeZone), valueTicks(frame.y, VALUES_ROOM)];
  apart(frame, false, () => {
    drawLower(frame, times, axisTimes(times, timeZone));
    drawLeft(frame, levels, levels.map(format.tick));
  });
  apart(frame, false, () => {
    drawing.lines.forEach(({ values }, index) => {
      drawLine(frame, drawing.times, values, { stroke: colour(VARIABLES[SHADES[index] ?? 'accent']), width: 1.75, dash: DASHES[index] });
    });
  });
}

/** Bars lie: their names can then be read. What they are measured by begins at nought. */
export function drawBars(ctx: CanvasRenderingContext2D, box: Box, { names, values }: Bars): void {
  const known = values.map((value) => value ?? 0);
  const x = { low: Math.min(0, ...known), high: Math.max(0, ...known) * 1.03 || 1, from: box.left, to: box.left + box.width };
  const frame: Frame = { ctx, x, y: { low: 0, high: 1, from: box.top + box.height, to: box.top } };
  const ticks = valueTicks(x, LOWER_ROOM);
  apart(frame, false, () => {
    drawLower(frame, ticks, ticks.map(format.tick));
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    known.forEach((value, index) => {
      const [from, to, middle] = [placeOf(x, 0), placeOf(x, value), box.top + (index + 0.5) * BAR_HEIGHT];
      ctx.fillStyle = colour('--quiet');
      ctx.fillText(shortName(names[index] ?? '', box.left), box.left - 6, middle);
      ctx.fillStyle = colour('--accent');
      ctx.fillRect(Math.min(from, to), middle - (BAR_SHARE * BAR_HEIGHT) / 2, Math.abs(to - from), BAR_SHARE * BAR_HEIGHT);
    });
  });
}
