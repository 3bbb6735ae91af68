/** The matrix as a picture to keep: drawn here and saved by the browser, asked of nobody. */

import { edgeLabel, edgesOf, paints, toHex, type Measure, type Paint } from '../../lib/colour';
import { floorOf, viewOf, type CellView } from '../../lib/matrix';
import type { Group, Place } from '../../lib/places';
import { serverClock } from '../../lib/clock';
import { catalogue } from '../../state/catalogue.svelte';
import type { MatrixModel } from '../../state/matrix.svelte';
import { isLarge } from './view';

export interface Picture {
  model: MatrixModel;
  rows: readonly Group[];
  columns: readonly Group[];
  measure: Measure;
  title: string;
  /** The file's name without its ending. */
  name: string;
  /** Time of the numbers, Unix ms. */
  asOf: number;
}

const SCALE = 2;
const MARGIN = 24;
const GAP = 4;
const HEAD = 58;
const FOOT = 66;
const MARKS = 'Corner: probes lost · dashed: newest sample older than 60 s · dotted line: too few samples · hatched: not measured or no answer';
const FONT = 'system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif';

/** Sizes of a picture of a table, or of one that is too large to have its numbers written. */
export function measuresOf(rows: readonly Group[], columns: readonly Group[]): { width: number; height: number; left: number; top: number; cell: [number, number] } {
  const large = isLarge(rows, columns);
  const cell: [number, number] = large ? [6, 6] : [34, 22];
  const labels: [number, number] = large ? [0, 0] : [122, 116];
  const length = (groups: readonly Group[], size: number): number =>
    groups.reduce((sum, { places }) => sum + places.length * size, 0) + GAP * Math.max(0, groups.length - 1);
  const [left, top] = [MARGIN + labels[0], MARGIN + HEAD + labels[1]];
  return {
    width: Math.max(680, left + length(columns, cell[0]) + MARGIN),
    height: top + length(rows, cell[1]) + FOOT + MARGIN,
    left,
    top,
    cell,
  };
}

/** Every place of an axis with where it starts. */
export function placed(groups: readonly Group[], start: number, size: number): { place: Place; at: number }[] {
  let at = start;
  return groups.flatMap(({ places }, index) => {
    if (index > 0) at += GAP;
    return places.map((place) => {
      const laid = { place, at };
      at += size;
      return laid;
    });
  });
}

/** The colours of the page, by the scheme that the reader has. */
interface Ink {
  page: string;
  ink: string;
  quiet: string;
  hatch: string;
  paints: Paint[];
}

function inkOf(measure: Measure): Ink {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(name).trim();
  const scheme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  return { page: of('--page'), ink: of('--ink'), quiet: of('--quiet'), hatch: of('--hatch'), paints: paints(scheme, measure) };
}

function drawHatch(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number, colour: string): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let at = -height; at < width; at += 5) {
    context.moveTo(x + at, y + height);
    context.lineTo(x + at + height, y);
  }
  context.stroke();
  context.restore();
}

function drawMarks(context: CanvasRenderingContext2D, view: CellView, x: number, y: number, width: number, height: number): void {
  if (view.lossy) {
    const corner = Math.min(7, width / 2);
    context.beginPath();
    context.moveTo(x + width - corner, y);
    context.lineTo(x + width, y);
    context.lineTo(x + width, y + corner);
    context.fill();
  }
  context.strokeStyle = context.fillStyle;
  context.lineWidth = 1;
  if (view.stale) {
    context.setLineDash([3, 2]);
    context.strokeRect(x + 2.5, y + 2.5, width - 5, height - 5);
  }
  if (view.lowCount) {
    context.setLineDash([1, 2]);
    context.beginPath();
    context.moveTo(x + width / 4, y + height - 3.5);
    context.lineTo(x + (3 * width) / 4, y + height - 3.5);
    context.stroke();
  }
  context.setLineDash([]);
}

function drawCell(context: CanvasRenderingContext2D, view: CellView, x: number, y: number, width: number, height: number, ink: Ink): void {
  const paint = view.heat === null ? undefined : ink.paints[view.heat];
  if (paint === undefined) drawHatch(context, x, y, width, height, ink.hatch);
  else {
    context.fillStyle = toHex(paint.background);
    context.fillRect(x, y, width, height);
  }
  context.fillStyle = paint === undefined ? ink.quiet : toHex(paint.text);
  if (width < 12) return;
  context.textAlign = 'center';
  context.fillText(view.text, x + width / 2, y + height / 2 + 0.5);
  drawMarks(context, view, x, y, width, height);
}

function drawLabels(context: CanvasRenderingContext2D, rows: ReturnType<typeof placed>, columns: ReturnType<typeof placed>, { left, top, cell }: ReturnType<typeof measuresOf>): void {
  context.textAlign = 'right';
  for (const { place, at } of rows) context.fillText(place.id, left - 8, at + cell[1] / 2);
  context.textAlign = 'left';
  for (const { place, at } of columns) {
    context.save();
    context.translate(at + cell[0] / 2, top - 8);
    context.rotate(-Math.PI / 2);
    context.fillText(place.id, 0, 0);
    context.restore();
  }
}

function drawScale(context: CanvasRenderingContext2D, measure: Measure, y: number, ink: Ink): void {
  context.textAlign = 'left';
  edgesOf(measure).forEach((_, index) => {
    const paint = ink.paints[index];
    if (paint === undefined) return;
    context.fillStyle = toHex(paint.background);
    context.fillRect(MARGIN + index * 34, y, 34, 12);
    context.fillStyle = ink.quiet;
    context.fillText(`${edgeLabel(index, measure)}${index === ink.paints.length - 1 ? '+' : ''}`, MARGIN + index * 34, y + 22);
  });
}

/** What the corner of the picture says: whose numbers these are, and whether they are of real clouds. */
function drawOrigin(context: CanvasRenderingContext2D, right: number, ink: Ink): void {
  context.textAlign = 'right';
  context.fillStyle = ink.quiet;
  context.fillText(location.host, right, MARGIN + 8);
  if (!catalogue.simulated) return;
  context.font = `600 12px ${FONT}`;
  context.fillStyle = ink.ink;
  context.fillText('Simulated, not measured', right, MARGIN + 32);
}

/** Draws all of it. */
function draw(picture: Picture, context: CanvasRenderingContext2D, sizes: ReturnType<typeof measuresOf>): void {
  const { model, measure } = picture;
  const ink = inkOf(measure);
  const [width, height] = sizes.cell;
  context.textBaseline = 'middle';
  context.fillStyle = ink.page;
  context.fillRect(0, 0, sizes.width, sizes.height);
  context.fillStyle = ink.ink;
  context.font = `600 18px ${FONT}`;
  context.fillText('Latency between cloud regions', MARGIN, MARGIN + 8);
  context.fillStyle = ink.quiet;
  context.font = `13px ${FONT}`;
  const asOf = `${new Date(picture.asOf).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  context.fillText(`${picture.title} · as of ${asOf} · rows: sources, columns: targets`, MARGIN, MARGIN + 32);
  context.font = `11px ${FONT}`;
  const rows = placed(picture.rows, sizes.top, height);
  const columns = placed(picture.columns, sizes.left, width);
  context.fillStyle = ink.ink;
  if (!isLarge(picture.rows, picture.columns)) drawLabels(context, rows, columns, sizes);
  const now = serverClock.at(Date.now());
  for (const { place: source, at: y } of rows)
    for (const { place: target, at: x } of columns) {
      const slot = model.slot(source.id, target.id);
      if (source.id === target.id && slot.cell === undefined) continue;
      const view = viewOf(slot.cell, now, measure, measure === 'fibre' ? floorOf(source, target) : null);
      drawCell(context, view, x, y, width - 1, height - 1, ink);
    }
  drawScale(context, measure, sizes.height - MARGIN - 34, ink);
  context.fillStyle = ink.quiet;
  context.fillText(MARKS, MARGIN, sizes.height - MARGIN + 10);
  drawOrigin(context, sizes.width - MARGIN, ink);
}

/** Draws the picture and has the browser save it. */
export async function savePicture(picture: Picture): Promise<void> {
  const sizes = measuresOf(picture.rows, picture.columns);
  const canvas = document.createElement('canvas');
  canvas.width = sizes.width * SCALE;
  canvas.height = sizes.height * SCALE;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('no canvas');
  context.scale(SCALE, SCALE);
  draw(picture, context, sizes);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
  if (blob === null) throw new Error('no picture');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${picture.name}.png`;
  link.click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
