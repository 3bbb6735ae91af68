/**
 * The heat scale: which class a round-trip time falls in, and how each class is painted.
 *
 * Classes are fixed and not fitted to the data, so a colour means the same on every day and
 * in every window. The ramp changes in lightness all the way (pale to dark on a light page, dark to pale
 * on a dark one), so it can be read with any kind of colour vision and in grey.
 */

export type Rgb = readonly [red: number, green: number, blue: number];
export type Scheme = 'light' | 'dark';

/** Lower bounds of the classes in milliseconds; the last class is open above. */
export const CLASS_EDGES_MS = [0, 10, 20, 30, 45, 60, 80, 100, 125, 150, 175, 200, 225, 250, 300, 350] as const;

/** Ramps from fast to slow. Fast stays near the page's background, slow stands out. */
const STOPS: Record<Scheme, readonly string[]> = {
  light: ['#f1f7e6', '#cdeaca', '#8dd3c0', '#4bb0c4', '#3583b9', '#2b559c', '#26306f', '#190f3d'],
  dark: ['#18213d', '#22386f', '#28599a', '#2f80b3', '#43a8b4', '#80ccaa', '#c4e6a4', '#fbf9c8'],
};

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];

/** Index of the class that holds `ms`. */
export function classOf(ms: number): number {
  let index = 0;
  while (index + 1 < CLASS_EDGES_MS.length && ms >= (CLASS_EDGES_MS[index + 1] ?? Infinity)) index += 1;
  return index;
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

/** The paint of every class, fast to slow. */
export function paints(scheme: Scheme): Paint[] {
  return CLASS_EDGES_MS.map((_, index) => {
    const exact = along(STOPS[scheme], index / (CLASS_EDGES_MS.length - 1));
    // What the screen shows is rounded, so the text is chosen for the rounded colour.
    const background = parseHex(toHex(exact));
    return { background, text: textOn(background) };
  });
}

/** Words for a class: "10–20", "350+". */
export function classLabel(index: number): string {
  const [from, to] = [CLASS_EDGES_MS[index] ?? 0, CLASS_EDGES_MS[index + 1]];
  return to === undefined ? `${from}+` : `${from}–${to}`;
}

function rules(scheme: Scheme): string {
  return paints(scheme)
    .map(({ background, text }, index) => `.heat-${index}{background-color:${toHex(background)};color:${toHex(text)}}`)
    .join('');
}

/** The style sheet that paints `.heat-0`, `.heat-1` … in both schemes. */
export function heatCss(): string {
  return `${rules('light')}@media (prefers-color-scheme: dark){${rules('dark')}}`;
}
