/** How an answer is drawn by uPlot. */

import uPlot from 'uplot';
import * as format from '../../lib/format';
import type { Drawing } from './chart';

/** Lines differ in their dashes too, so that they can be told apart without colour. */
export const SHADES = ['accent', 'ink', 'quiet-line', 'accent', 'ink', 'quiet-line'] as const;
export const DASHES: readonly (number[] | undefined)[] = [undefined, undefined, [2, 3], [8, 4], [8, 4], [8, 3, 2, 3]];
const VARIABLES = { accent: '--accent', ink: '--ink', 'quiet-line': '--quiet' } as const;

const FONT = '12px system-ui, sans-serif';
const HEIGHT = 280;
const DAY = 86_400;
/** A bar with its gap, and the axis below all of them. */
const BAR_HEIGHT = 20;
const FOOT_HEIGHT = 44;
/** Names take so much of the width at most, and a character so much of that. */
const NAMES_SHARE = 0.42;
const CHARACTER_WIDTH = 6.6;

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function dataOf(drawing: Drawing): uPlot.AlignedData {
  if (drawing.kind === 'line') return [drawing.times, ...drawing.lines.map(({ values }) => values)];
  return [drawing.names.map((_, index) => index), drawing.values];
}

/** How wide the names of bars stand, in px. */
function namesWidth(names: readonly string[], width: number): number {
  const longest = Math.max(...names.map(({ length }) => length));
  return Math.min((longest + 1) * CHARACTER_WIDTH + 16, width * NAMES_SHARE);
}

function shortName(name: string, room: number): string {
  const most = Math.floor((room - 16) / CHARACTER_WIDTH);
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}

/** The axis of the names of bars, or of times. */
function nameAxis(drawing: Drawing, width: number, timeZone: string): uPlot.Axis {
  const common = { font: FONT, stroke: colour('--quiet'), ticks: { show: false } };
  if (drawing.kind === 'bars') {
    const { names } = drawing;
    const size = namesWidth(names, width);
    return {
      ...common,
      side: 3,
      size,
      grid: { show: false },
      splits: () => names.map((_, index) => index),
      values: (_, splits) => splits.map((index) => shortName(names[index] ?? '', size)),
    };
  }
  const text = (time: number, days: boolean): string => (days ? format.date(time * 1000, timeZone).slice(5) : format.minute(time * 1000, timeZone));
  return {
    ...common,
    space: 70,
    grid: { stroke: colour('--line'), width: 1 },
    values: (_, splits, __, ___, step) => splits.map((time) => text(time, step >= DAY)),
  };
}

function seriesOf(drawing: Drawing): uPlot.Series[] {
  if (drawing.kind === 'bars') {
    const paths = uPlot.paths.bars?.({ size: [0.62, 14] }) as uPlot.Series.PathBuilder;
    return [{ fill: colour('--accent'), width: 0, points: { show: false }, paths }];
  }
  return drawing.lines.map((_, index) => {
    const stroke = colour(VARIABLES[SHADES[index] ?? 'accent']);
    const dash = DASHES[index];
    return { stroke, width: 1.75, spanGaps: false, points: { size: 4, fill: stroke }, ...(dash === undefined ? {} : { dash }) };
  });
}

/** Bars lie: their names can then be read. What they are measured by begins at nought. */
function scalesOf(drawing: Drawing): uPlot.Scales {
  if (drawing.kind === 'line') return { x: { time: true } };
  return {
    x: { time: false, ori: 1, dir: -1, range: () => [-0.6, drawing.names.length - 0.4] },
    y: { ori: 0, dir: 1, range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(0, high ?? 1) * 1.03 || 1] },
  };
}

export function optionsOf(drawing: Drawing, width: number, timeZone: string, onpoint: (index: number | null) => void): uPlot.Options {
  const bars = drawing.kind === 'bars';
  return {
    width,
    height: bars ? drawing.names.length * BAR_HEIGHT + FOOT_HEIGHT : HEIGHT,
    padding: [10, 22, 0, 0],
    legend: { show: false },
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), timeZone === 'UTC' ? 'Etc/UTC' : timeZone),
    cursor: { drag: { setScale: false, x: false, y: false }, x: !bars, y: false, points: { show: !bars } },
    hooks: { setCursor: [(plot) => onpoint(plot.cursor.idx ?? null)] },
    scales: scalesOf(drawing),
    axes: [
      nameAxis(drawing, width, timeZone),
      {
        ...(bars ? { side: 2, size: 32 } : { size: 60 }),
        font: FONT,
        stroke: colour('--quiet'),
        grid: { stroke: colour('--line'), width: 1 },
        ticks: { show: false },
      },
    ],
    series: [{}, ...seriesOf(drawing)],
  };
}
