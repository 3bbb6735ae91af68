/** Options of the two charts: percentile bands, and the loss below them on the same time axis. */

import uPlot from 'uplot';
import * as format from '../../lib/format';
import { axisBounds, type Columns } from '../../lib/series';

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
export function bandData(columns: Columns, step: number): uPlot.AlignedData {
  return [middles(columns, step), columns.p90, columns.p75, columns.p50, columns.p25, columns.p10, columns.p99];
}

export function lossData(columns: Columns, step: number): uPlot.AlignedData {
  return [middles(columns, step), columns.loss];
}

/** A window's percentile is of the whole window, so it is drawn at its middle. */
function middles(columns: Columns, step: number): number[] {
  return columns.times.map((time) => time + step / 2);
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

const FONT = '12px system-ui, sans-serif';
/** Both charts keep this much room for the value axis, so that their times line up. */
const AXIS_WIDTH = 52;

export interface ChartSetup {
  theme: Theme;
  width: number;
  /** Unix seconds. */
  span: () => [start: number, end: number];
  /** Index of the window under the pointer, or null. */
  onpoint: (index: number | null) => void;
}

function common({ width, span, onpoint }: ChartSetup): Pick<uPlot.Options, 'width' | 'legend' | 'tzDate' | 'cursor' | 'hooks'> & {
  x: uPlot.Scale;
} {
  return {
    width,
    legend: { show: false },
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), 'Etc/UTC'),
    cursor: {
      sync: { key: 'pair', setSeries: false },
      drag: { setScale: false, x: false, y: false },
      y: false,
      points: { show: false },
    },
    hooks: { setCursor: [(plot) => onpoint(plot.cursor.idx ?? null)] },
    x: { time: true, range: () => span() },
  };
}

function valueAxis(theme: Theme): uPlot.Axis {
  return {
    size: AXIS_WIDTH,
    font: FONT,
    stroke: theme.quiet,
    grid: { stroke: theme.line, width: 1 },
    ticks: { show: false },
    space: 36,
  };
}

function timeAxis(theme: Theme, labels: boolean): uPlot.Axis {
  return {
    size: labels ? 28 : 6,
    font: FONT,
    stroke: theme.quiet,
    grid: { stroke: theme.line, width: 1 },
    ticks: { show: false },
    space: 70,
    values: (_, splits) => splits.map((time) => (labels ? format.minute(time * 1000) : '')),
  };
}

export function bandOptions(setup: ChartSetup): uPlot.Options {
  const { theme } = setup;
  const { x, ...rest } = common(setup);
  const edge: uPlot.Series = { stroke: 'transparent', width: 1, points: { show: false } };
  const dots: uPlot.Series.Points = { show: true, size: 5, filter: isolated };
  return {
    ...rest,
    height: 300,
    padding: [10, 8, 0, 0],
    scales: { x, y: { range: (_, low, high) => (low == null || high == null ? [0, 100] : axisBounds(low, high)) } },
    axes: [timeAxis(theme, false), { ...valueAxis(theme), label: 'ms', labelFont: FONT, labelSize: 18, labelGap: 0, size: AXIS_WIDTH - 18 + 8 }],
    series: [
      {},
      edge,
      edge,
      { stroke: theme.accent, width: 2, points: { ...dots, fill: theme.accent, stroke: theme.accent } },
      edge,
      edge,
      { stroke: theme.ink, width: 1, points: { ...dots, fill: theme.ink, stroke: theme.ink } },
    ],
    bands: [
      { series: [1, 5], fill: theme.outer },
      { series: [2, 4], fill: theme.inner },
    ],
  };
}

export function lossOptions(setup: ChartSetup): uPlot.Options {
  const { theme } = setup;
  const { x, ...rest } = common(setup);
  return {
    ...rest,
    height: 84,
    padding: [6, 8, 0, 0],
    // A single lost probe must be seen, and must not look like an outage.
    scales: { x, y: { range: (_, __, high) => [0, Math.min(100, Math.max(5, Math.ceil((high ?? 0) * 1.1)))] } },
    axes: [
      timeAxis(theme, true),
      {
        ...valueAxis(theme),
        label: '% lost',
        labelFont: FONT,
        labelSize: 18,
        labelGap: 0,
        size: AXIS_WIDTH - 18 + 8,
        splits: (plot) => [0, plot.scales['y']?.max ?? 5],
      },
    ],
    series: [
      {},
      { stroke: theme.loss, fill: theme.loss, width: 0, points: { show: false }, paths: uPlot.paths.bars?.({ size: [0.8, 12] }) as uPlot.Series.PathBuilder },
    ],
  };
}
