/** What is copied into other pages: frames and badges as HTML and Markdown. Pure. */

import { apiHref } from '../../api';
import { pairLink } from '../../lib/links';
import { embedHref, type Frame } from '../embed/address';
import type { ShareState } from './address';

/** Sizes that suit the kinds, px. */
const SIZES = { number: [320, 160], pair: [760, 460], matrix: [0, 0] } as const;
const MATRIX_ROW_PX = 32;
const MATRIX_AROUND_PX = 85;
const MATRIX_COLUMN_PX = 108;

/** The frame that a state of the page describes; null for a badge, which is none. */
export function frameOf(state: ShareState): Frame | null {
  const { kind, source, target, regions, percentile, window, range, protocol, theme, at } = state;
  const common = { theme, protocol, at };
  if (kind === 'pair') return { kind, source, target, range, ...common };
  if (kind === 'number') return { kind, source, target, percentile, window, ...common };
  return kind === 'matrix' ? { kind, regions, percentile, window, ...common } : null;
}

/** Width and height of a frame: what was chosen, else what suits it. */
export function sizeOfFrame(frame: Frame, { width, height }: Pick<ShareState, 'width' | 'height'>): [width: number, height: number] {
  const rows = frame.kind === 'matrix' ? frame.regions.length : 0;
  const [wide, tall] =
    frame.kind === 'matrix'
      ? [Math.max(320, (rows + 1) * MATRIX_COLUMN_PX + 30), (rows + 1) * MATRIX_ROW_PX + MATRIX_AROUND_PX]
      : SIZES[frame.kind];
  return [width ?? wide, height ?? tall];
}

/** What a frame is called, for those who do not see it. */
export function titleOf(frame: Frame): string {
  if (frame.kind === 'matrix') return `Round-trip times between ${frame.regions.join(', ')}`;
  return `Round-trip time from ${frame.source} to ${frame.target}`;
}

/** A text between the quotes of an attribute. */
function quoted(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}

export function frameCode(origin: string, frame: Frame, [width, height]: readonly [number, number]): string {
  const src = quoted(origin + embedHref(frame));
  return `<iframe src="${src}" width="${width}" height="${height}" title="${quoted(titleOf(frame))}" loading="lazy" style="border:0"></iframe>`;
}

/** The address of a badge's picture, without the origin. */
export function badgeHref({ source, target, percentile, window, protocol, label }: ShareState): string {
  const query = apiHref('/api/v1/badge/{source}/{target}', {
    percentile: percentile === 'p50' ? undefined : percentile,
    window: window === '5m' ? undefined : window,
    protocol: protocol === 'tcp' ? undefined : protocol,
    label: label === '' ? undefined : label,
  });
  return query.replace('{source}', encodeURIComponent(source)).replace('{target}', `${encodeURIComponent(target)}.svg`);
}

const badgeTitle = ({ source, target, percentile }: ShareState): string => `${percentile} of the round-trip time from ${source} to ${target}`;

export function badgeMarkdown(origin: string, state: ShareState): string {
  return `[![${badgeTitle(state)}](${origin}${badgeHref(state)})](${origin}${pairLink(state.source, state.target)})`;
}

export function badgeHtml(origin: string, state: ShareState): string {
  const [href, src] = [quoted(origin + pairLink(state.source, state.target)), quoted(origin + badgeHref(state))];
  return `<a href="${href}"><img src="${src}" alt="${quoted(badgeTitle(state))}"></a>`;
}
