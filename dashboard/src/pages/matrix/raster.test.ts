import { describe, expect, it } from 'vitest';
import type { Look } from '../../lib/matrix';
import { packed, paintCell, paletteOf } from './raster';

const PALETTE = paletteOf('light', 'rtt', [1, 2, 3]);
const PLAIN: Look = { heat: 3, lossy: false, stale: false, lowCount: false };

/** The pixels of a cell of `size` in a picture that has one pixel more around it. */
function painted(look: Look, size = 6): string[] {
  const stride = size + 2;
  const pixels = new Uint32Array(stride * stride);
  paintCell(pixels, stride, 1, 1, size, look, PALETTE);
  const sign = (value: number): string =>
    value === 0 ? ' ' : value === PALETTE.hatch ? '/' : value === PALETTE.backgrounds[look.heat ?? 0] ? '.' : value === PALETTE.inks[look.heat ?? 0] ? '#' : '?';
  return Array.from({ length: stride }, (_, y) => [...pixels.slice(y * stride, (y + 1) * stride)].map(sign).join(''));
}

describe('a painted cell', () => {
  it('fills its square and nothing else', () => {
    expect(painted(PLAIN, 3)).toEqual(['     ', ' ... ', ' ... ', ' ... ', '     ']);
  });
  it('has a corner where probes were lost', () => {
    expect(painted({ ...PLAIN, lossy: true }).slice(1, 4)).toEqual([' ....## ', ' .....# ', ' ...... ']);
  });
  it('has dots beneath it where samples are few, and a broken frame where it is stale', () => {
    expect(painted({ ...PLAIN, lowCount: true })[6]).toBe(' #.#.#. ');
    expect(painted({ ...PLAIN, stale: true }).slice(1, 3)).toEqual([' #..#.. ', ' .....# ']);
  });
  it('is hatched without a number', () => {
    const text = painted({ ...PLAIN, heat: null }).join('');
    expect(text).toContain('/');
    expect(text).not.toMatch(/[.#?]/);
  });
  it('has no marks where there is no room for them', () => {
    expect(painted({ ...PLAIN, lossy: true, stale: true }, 4).join('')).not.toContain('#');
  });
});

it('packs colours as pictures have them', () => {
  const bytes = new Uint8Array(new Uint32Array([packed([10, 20, 30])]).buffer);
  expect([...bytes]).toEqual([10, 20, 30, 255]);
});
