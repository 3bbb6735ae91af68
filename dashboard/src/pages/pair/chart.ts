/** Options of the two charts: percentile bands, and the loss below them on the same time axis. */

import uPlot from 'uplot';
import { axisBounds, lossTop, middles, seenLoss, type Span } from '../../lib/series';
import { drawFloor, drawMarks } from './overlays';
import type { History } from './requests';
import { axisTimes, type Mark } from './words';

/** Colours, taken from the page's style sheet so that both schemes are defined in one place. */
export interface Theme {
  ink: string;
  quiet: string;
  line: string;
  accent: string;
  loss: string;
  outer: string;
  inner: string;
}

export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const accent = colour('--accent');
  return {
    ink: colour('--ink'),
    quiet: colour('--quiet'),
    line: colour('--line'),
    loss: colour('--loss'),
    accent,
    outer: `color-mix(in srgb, ${accent} 18%, transparent)`,
    inner: `color-mix(in srgb, ${accent} 34%, transparent)`,
  };
}

/** Order of the columns after the times in the band chart's data. */
export function bandData(history: History): uPlot.AlignedData {
  const { columns, reverse, previous } = history;
  const none = columns.times.map(() => null);
  return [
    middles(columns, history),
    columns.p90,
    columns.p75,
    columns.p50,
    columns.p25,
    columns.p10,
    columns.p99,
    reverse?.p50 ?? none,
    previous?.p50 ?? none,
  ];
}

export function lossData(history: History): uPlot.AlignedData {
  const { columns } = history;
  return [middles(columns, history), seenLoss(columns.loss)];
}

/** Points that no line reaches, because both neighbours are missing, are drawn as dots. */
function isolated(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const lonely: number[] = [];
  for (let index = 0; index < values.length; index += 1) {
    if (values[index] != null && values[index - 1] == null && values[index + 1] == null) lonely.push(index);
  }
  return lonely;
}

export const LOSS_HEIGHT = 84;
const FONT = '12px system-ui, sans-serif';
/** Both charts keep this much room for the value axis, so that their times line up. */
const AXIS_WIDTH = 52;

export interface ChartSetup {
  theme: Theme;
  width: number;
  height: number;
  timeZone: string;
  /** Unix seconds. */
  span: () => [start: number, end: number];
  marks: () => readonly Mark[];
  /** A level in ms that the axis reaches down to; null for none. */
  floor: () => number | null;
  /** Index of the window under the pointer, or null. */
  onpoint: (index: number | null) => void;
  /** What was dragged over, Unix ms; null where a drag does nothing. */
  onzoom: ((span: Span) => void) | null;
}

/** Hands on what was dragged over, and takes the shade away: the new span shows it. */
function selected(plot: uPlot, onzoom: (span: Span) => void): void {
  const { left, width } = plot.select;
  if (width <= 0) return;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  onzoom({ start: plot.posToVal(left, 'x') * 1000, end: plot.posToVal(left + width, 'x') * 1000 });
}

function common({ width, timeZone, span, onpoint, onzoom }: ChartSetup) {
  return {
    width,
    legend: { show: false },
    tzDate: (time: number) => uPlot.tzDate(new Date(time * 1000), timeZone),
    cursor: {
      sync: { key: 'pair', setSeries: false },
      drag: { setScale: false, x: onzoom !== null, y: false, dist: 5 },
      y: false,
      points: { show: false },
    },
    hooks: {
      setCursor: [(plot: uPlot) => onpoint(plot.cursor.idx ?? null)],
      setSelect: onzoom === null ? [] : [(plot: uPlot) => selected(plot, onzoom)],
    },
    x: { time: true, range: () => span() },
  } satisfies Partial<uPlot.Options> & { x: uPlot.Scale };
}

function valueAxis(theme: Theme, label: string): uPlot.Axis {
  return {
    size: AXIS_WIDTH - 10,
    font: FONT,
    stroke: theme.quiet,
    grid: { stroke: theme.line, width: 1 },
    ticks: { show: false },
    space: 36,
    label,
    labelFont: FONT,
    labelSize: 18,
    labelGap: 0,
  };
}

function timeAxis({ theme, timeZone }: ChartSetup, labels: boolean): uPlot.Axis {
  return {
    size: labels ? 28 : 6,
    font: FONT,
    stroke: theme.quiet,
    grid: { stroke: theme.line, width: 1 },
    ticks: { show: false },
    space: 70,
    values: (_, splits) => (labels ? axisTimes(splits, timeZone) : splits.map(() => '')),
  };
}

function yRange(setup: ChartSetup): uPlot.Range.Function {
  return (_, low, high) => {
    if (low == null || high == null) return [0, 100];
    const floor = setup.floor();
    return axisBounds(floor === null ? low : Math.min(low, floor), floor === null ? high : Math.max(high, floor));
  };
}

export function bandOptions(setup: ChartSetup): uPlot.Options {
  const { theme, height } = setup;
  const { x, hooks, ...rest } = common(setup);
  const edge: uPlot.Series = { stroke: 'transparent', width: 1, points: { show: false } };
  const line = (stroke: string, width: number, dash: number[] = []): uPlot.Series => ({
    stroke,
    width,
    dash,
    points: { show: true, size: 5, filter: isolated, fill: stroke, stroke },
  });
  return {
    ...rest,
    height,
    // Room for what the marks say.
    padding: [20, 8, 0, 0],
    scales: { x, y: { range: yRange(setup) } },
    axes: [timeAxis(setup, false), valueAxis(theme, 'ms')],
    series: [{}, edge, edge, line(theme.accent, 2), edge, edge, line(theme.ink, 1), line(theme.quiet, 2, [2, 3]), line(theme.accent, 1.5, [8, 4])],
    bands: [
      { series: [1, 5], fill: theme.outer },
      { series: [2, 4], fill: theme.inner },
    ],
    hooks: { ...hooks, draw: [(plot) => drawFloor(plot, setup.floor(), theme), (plot) => drawMarks(plot, setup.marks(), theme)] },
  };
}

export function lossOptions(setup: ChartSetup): uPlot.Options {
  const { theme } = setup;
  const { x, ...rest } = common(setup);
  return {
    ...rest,
    height: LOSS_HEIGHT,
    padding: [6, 8, 0, 0],
    scales: { x, y: { range: (_, __, high) => [0, lossTop(high ?? 0)] } },
    axes: [timeAxis(setup, true), { ...valueAxis(theme, '% lost'), splits: (plot) => [0, plot.scales['y']?.max ?? 5] }],
    series: [
      {},
      { stroke: theme.loss, fill: theme.loss, width: 0, points: { show: false }, paths: uPlot.paths.bars?.({ size: [0.8, 12] }) as uPlot.Series.PathBuilder },
    ],
  };
}
