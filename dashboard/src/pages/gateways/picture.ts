/** Who serves whom, as lines from gateways to regions. Pure. */

import { rateText, type GatewayView } from './gateways';

/** Height of a place, px. */
const ROW = 46;

/** The most important last, which is drawn over the others. */
const KINDS = ['is ready', 'is not well', 'serves'] as const;

export interface Line {
  gateway: string;
  region: string;
  kind: (typeof KINDS)[number];
  rate: number;
}

/** The line of each gateway and region; destinations that share one are together, and as unwell as the worst of them. */
export function linesOf(views: readonly GatewayView[]): Line[] {
  const lines = new Map<string, Line>();
  for (const { name: gateway, destinations } of views)
    for (const { region, serving, breaker, rate } of destinations.flatMap(({ targets }) => targets)) {
      const id = gateway + region;
      const line = lines.get(id) ?? { gateway, region, kind: 'is ready', rate: 0 };
      const kind = breaker !== 'closed' ? 'is not well' : serving ? 'serves' : 'is ready';
      lines.set(id, { ...line, kind: kind === 'is not well' || line.kind === 'is ready' ? kind : line.kind, rate: line.rate + (rate ?? 0) });
    }
  return [...lines.values()].sort((one, other) => KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind));
}

export interface Picture {
  height: number;
  /** Of each name on either side, from the top. */
  gateways: Map<string, number>;
  regions: Map<string, number>;
  lines: (Line & { d: string; width: number; x: number; y: number })[];
}

function spread(names: readonly string[], height: number): Map<string, number> {
  return new Map(names.map((name, index) => [name, ((index + 0.5) * height) / names.length]));
}

/** The picture between two places across, px. A line as wide as the square root of what passes has a mark where lines that cross are apart. */
export function pictureOf(lines: readonly Line[], names: readonly string[], left: number, right: number): Picture {
  // Where a gateway is named after its region, its own target stands opposite.
  const targets = new Set(lines.map(({ region }) => region));
  const regions = [...new Set([...names, ...targets])].filter((name) => targets.has(name));
  const height = ROW * Math.max(names.length, regions.length);
  const [from, to] = [spread(names, height), spread(regions, height)];
  const most = Math.max(1, ...lines.map(({ rate }) => rate));
  const middle = (left + right) / 2;
  const drawn = lines.map((line) => {
    const [y1, y2] = [from.get(line.gateway) ?? 0, to.get(line.region) ?? 0];
    // A quarter of the way up or down, the curve is a third of the way across.
    return { ...line, d: `M${left} ${y1}C${middle} ${y1} ${middle} ${y2} ${right} ${y2}`, width: 1 + 7 * Math.sqrt(line.rate / most), x: left + (right - left) * 0.34, y: y1 + (y2 - y1) * 0.26 };
  });
  return { height, gateways: from, regions: to, lines: drawn };
}

/** The lines in words, but for those that say nothing. */
export function linesSay(lines: readonly Line[]): string {
  return lines
    .filter(({ kind, rate }) => kind !== 'is ready' || rate > 0)
    .map(({ gateway, region, kind, rate }) => `${gateway} → ${region} ${kind}, ${rateText(rate)}`)
    .join('; ');
}
