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
/** Room for the name under a bar, and for how many characters of it. */
const NAME_HEIGHT = 96;
const NAME_LENGTH = 16;
const NAME_WIDTH = 15;

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function dataOf(drawing: Drawing): uPlot.AlignedData {
  if (drawing.kind === 'line') return [drawing.times, ...drawing.lines.map(({ values }) => values)];
  return [drawing.names.map((_, index) => index), drawing.values];
}

function shortName(name: string): string {
  return name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 1)}…` : name;
}

/** Where bars have their names: under each, or under every second and so on where they are narrow. */
function namedBars(count: number, width: number): number[] {
  const every = Math.max(1, Math.ceil((count * NAME_WIDTH) / Math.max(1, width - 80)));
  return Array.from({ length: Math.ceil(count / every) }, (_, index) => index * every);
}

function bottomAxis(drawing: Drawing, width: number, timeZone: string): uPlot.Axis {
  const common = { font: FONT, stroke: colour('--quiet'), ticks: { show: false } };
  if (drawing.kind === 'bars') {
    const { names } = drawing;
    return {
      ...common,
      size: NAME_HEIGHT,
      rotate: -60,
      grid: { show: false },
      splits: () => namedBars(names.length, width),
      values: (_, splits) => splits.map((index) => shortName(names[index] ?? '')),
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
    const paths = uPlot.paths.bars?.({ size: [0.7, 28] }) as uPlot.Series.PathBuilder;
    return [{ fill: colour('--accent'), width: 0, points: { show: false }, paths }];
  }
  return drawing.lines.map((_, index) => {
    const stroke = colour(VARIABLES[SHADES[index] ?? 'accent']);
    const dash = DASHES[index];
    return { stroke, width: 1.75, spanGaps: false, points: { size: 4, fill: stroke }, ...(dash === undefined ? {} : { dash }) };
  });
}

export function optionsOf(drawing: Drawing, width: number, timeZone: string, onpoint: (index: number | null) => void): uPlot.Options {
  const bars = drawing.kind === 'bars';
  return {
    width,
    height: HEIGHT,
    padding: [10, 8, 0, 0],
    legend: { show: false },
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), timeZone === 'UTC' ? 'Etc/UTC' : timeZone),
    cursor: { drag: { setScale: false, x: false, y: false }, y: false, points: { show: !bars } },
    hooks: { setCursor: [(plot) => onpoint(plot.cursor.idx ?? null)] },
    scales: {
      // Half a bar's room at both ends, and bars stand on nought.
      x: bars ? { time: false, range: () => [-0.6, drawing.names.length - 0.4] } : { time: true },
      ...(bars ? { y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(0, high ?? 1) * 1.05 || 1] } } : {}),
    },
    axes: [
      bottomAxis(drawing, width, timeZone),
      { size: 60, font: FONT, stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } },
    ],
    series: [{}, ...seriesOf(drawing)],
  };
}
