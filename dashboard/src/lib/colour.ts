/**
 * The heat scales: which class a number falls in, and how each class is painted.
 *
 * Classes are fixed and not fitted to the data, so a colour means the same on every day and
 * in every window. Each ramp changes in lightness all the way (pale to dark on a light page, dark to pale
 * on a dark one), so it can be read with any kind of colour vision and in grey. Every measure has a hue of
 * its own, so that one is not taken for another.
 */

export type Rgb = readonly [red: number, green: number, blue: number];
export type Scheme = 'light' | 'dark';

/** What a cell can show: round-trip time, share lost, jitter, or the round-trip time as a multiple of light's in fibre. */
export const MEASURES = ['rtt', 'loss', 'jitter', 'fibre'] as const;
export type Measure = (typeof MEASURES)[number];

/** Lower bounds of the classes in milliseconds; the last class is open above. */
export const CLASS_EDGES_MS = [0, 10, 20, 30, 45, 60, 80, 100, 125, 150, 175, 200, 225, 250, 300, 350] as const;

/** Lower bounds of every scale's classes; the number of classes is the same. Of loss, the first class is none at all. */
const EDGES: Record<Measure, readonly number[]> = {
  rtt: CLASS_EDGES_MS,
  loss: [0, Number.MIN_VALUE, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75],
  jitter: [0, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 25, 50],
  fibre: [0, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.25, 2.5, 3, 4, 5, 7],
};

/** Ramps from good to bad. Good stays near the page's background, bad stands out. */
const STOPS: Record<Measure, Record<Scheme, readonly string[]>> = {
  rtt: {
    light: ['#f1f7e6', '#cdeaca', '#8dd3c0', '#4bb0c4', '#3583b9', '#2b559c', '#26306f', '#190f3d'],
    dark: ['#18213d', '#22386f', '#28599a', '#2f80b3', '#43a8b4', '#80ccaa', '#c4e6a4', '#fbf9c8'],
  },
  loss: {
    light: ['#f6f2ea', '#fae3b6', '#f7c07c', '#ec9053', '#d35f3f', '#a93436', '#711a30', '#380a22'],
    dark: ['#211b1e', '#4a222b', '#7d2f33', '#b04a38', '#d67642', '#eda75b', '#f8d38b', '#fdf5cf'],
  },
  jitter: {
    light: ['#f4f1f8', '#e1d6ed', '#c8b4e0', '#ad8ecf', '#9067bb', '#7342a0', '#51267a', '#2b0f49'],
    dark: ['#201a2e', '#382757', '#543a7e', '#7351a3', '#9370bf', '#b395d6', '#d4beea', '#f5edfc'],
  },
  fibre: {
    light: ['#f2f6e6', '#d8e7b7', '#afcf86', '#7db260', '#4f9250', '#2c7046', '#184e38', '#0a2c25'],
    dark: ['#18241f', '#1f402f', '#295a3a', '#397848', '#569663', '#85b57f', '#bcd5a6', '#f0f6db'],
  },
};

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];

/** Lower bounds of the classes of a measure. */
export function edgesOf(measure: Measure): readonly number[] {
  return EDGES[measure];
}

/** Index of the class that holds a value. */
export function classOf(value: number, measure: Measure = 'rtt'): number {
  const edges = EDGES[measure];
  let index = 0;
  while (index + 1 < edges.length && value >= (edges[index + 1] ?? Infinity)) index += 1;
  return index;
}

/** The style sheet's name of a class. */
export function heatClass(index: number, measure: Measure): string {
  return `${measure === 'rtt' ? 'heat' : measure}-${index}`;
}

/** Reads `#rrggbb`. */
export function parseHex(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** Writes `#rrggbb`. */
export function toHex(rgb: Rgb): string {
  return `#${rgb.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;
}

/** sRGB channel (0 to 255) to linear light (0 to 1), as WCAG 2.2 defines it. */
function linear(channel: number): number {
  const share = channel / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

/** Inverse of {@link linear}. */
function gamma(light: number): number {
  const share = light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055;
  return Math.min(255, Math.max(0, share * 255));
}

/** Relative luminance, WCAG 2.2. */
export function luminance([red, green, blue]: Rgb): number {
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** Contrast ratio, WCAG 2.2: 1 to 21. */
export function contrast(one: Rgb, other: Rgb): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

/** Black or white, whichever stands out more; at least 4.58 on any background. */
export function textOn(background: Rgb): Rgb {
  return contrast(background, BLACK) >= contrast(background, WHITE) ? BLACK : WHITE;
}

/** sRGB to OKLab (Ottosson 2020), in which equal steps look equal. */
function toOklab([red, green, blue]: Rgb): [number, number, number] {
  const [r, g, b] = [linear(red), linear(green), linear(blue)];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** OKLab to sRGB. */
function fromOklab([lightness, a, b]: [number, number, number]): Rgb {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** Colour at `share` (0 to 1) of the way along the stops. */
function along(stops: readonly string[], share: number): Rgb {
  const place = share * (stops.length - 1);
  const index = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [toOklab(parseHex(stops[index] ?? '#000000')), toOklab(parseHex(stops[index + 1] ?? '#000000'))];
  const part = place - index;
  return fromOklab([
    from[0] + (to[0] - from[0]) * part,
    from[1] + (to[1] - from[1]) * part,
    from[2] + (to[2] - from[2]) * part,
  ]);
}

/** How one class is painted. */
export interface Paint {
  background: Rgb;
  text: Rgb;
}

/** The paint of every class of a measure, good to bad. */
export function paints(scheme: Scheme, measure: Measure = 'rtt'): Paint[] {
  const edges = EDGES[measure];
  return edges.map((_, index) => {
    const exact = along(STOPS[measure][scheme], index / (edges.length - 1));
    // What the screen shows is rounded, so the text is chosen for the rounded colour.
    const background = parseHex(toHex(exact));
    return { background, text: textOn(background) };
  });
}

/** A lower bound as the legend writes it. */
export function edgeLabel(index: number, measure: Measure = 'rtt'): string {
  const edge = EDGES[measure][index] ?? 0;
  if (measure !== 'loss') return `${edge}`;
  return edge === Number.MIN_VALUE ? '>0' : `${Number((edge * 100).toPrecision(3))}`;
}

/** Words for a class: "10–20", "350+". */
export function classLabel(index: number, measure: Measure = 'rtt'): string {
  const from = edgeLabel(index, measure);
  if (index + 1 === EDGES[measure].length) return `${from}+`;
  if (measure === 'loss' && index < 2) return index === 0 ? from : `${from}, <${edgeLabel(2, measure)}`;
  return `${from}–${edgeLabel(index + 1, measure)}`;
}

function rules(scheme: Scheme): string {
  return MEASURES.flatMap((measure) =>
    paints(scheme, measure).map(
      ({ background, text }, index) => `.${heatClass(index, measure)}{background-color:${toHex(background)};color:${toHex(text)}}`,
    ),
  ).join('');
}

/** The style sheet that paints `.heat-0`, `.heat-1` … and those of the other measures in both schemes. */
export function heatCss(): string {
  return `${rules('light')}@media (prefers-color-scheme: dark){${rules('dark')}}`;
}
