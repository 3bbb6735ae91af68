import { describe, expect, it } from 'vitest';
import { CLASS_EDGES_MS, classLabel, classOf, contrast, heatCss, luminance, paints, parseHex, textOn, toHex } from './colour';

describe('contrast', () => {
  it('is that of WCAG', () => {
    expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 5);
    expect(contrast([255, 255, 255], [255, 255, 255])).toBe(1);
    // Published examples: #777 on white fails AA by a little, #767676 passes.
    expect(contrast(parseHex('#777777'), [255, 255, 255])).toBeCloseTo(4.48, 2);
    expect(contrast(parseHex('#767676'), [255, 255, 255])).toBeCloseTo(4.54, 2);
  });

  it('of the chosen text is enough on any background', () => {
    for (let red = 0; red < 256; red += 15)
      for (let green = 0; green < 256; green += 15)
        for (let blue = 0; blue < 256; blue += 15) {
          const background = [red, green, blue] as const;
          expect(contrast(background, textOn(background))).toBeGreaterThanOrEqual(4.5);
        }
  });
});

describe.each(['light', 'dark'] as const)('the %s scale', (scheme) => {
  const scale = paints(scheme);

  it('has a paint for each class with readable text', () => {
    expect(scale).toHaveLength(CLASS_EDGES_MS.length);
    for (const { background, text } of scale) expect(contrast(background, text)).toBeGreaterThanOrEqual(4.5);
  });

  it('is strictly monotonic in luminance, away from the page', () => {
    const sign = scheme === 'light' ? -1 : 1;
    for (let index = 1; index < scale.length; index += 1) {
      const step = luminance(scale[index]!.background) - luminance(scale[index - 1]!.background);
      expect(step * sign).toBeGreaterThan(0);
    }
  });
});

describe('classes', () => {
  it('hold their lower bound and not their upper', () => {
    CLASS_EDGES_MS.forEach((edge, index) => {
      expect(classOf(edge)).toBe(index);
      if (index > 0) expect(classOf(edge - 0.001)).toBe(index - 1);
    });
    expect(classOf(10_000)).toBe(CLASS_EDGES_MS.length - 1);
  });

  it('have names', () => {
    expect(classLabel(0)).toBe('0–10');
    expect(classLabel(CLASS_EDGES_MS.length - 1)).toBe('350+');
  });

  it('are all in the style sheet, in both schemes', () => {
    const [light, dark] = heatCss().split('@media');
    CLASS_EDGES_MS.forEach((_, index) => {
      expect(light).toContain(`.heat-${index}{`);
      expect(dark).toContain(`.heat-${index}{`);
    });
  });
});

it('reads what it writes', () => {
  for (const hex of ['#000000', '#ffffff', '#190f3d', '#0a0b0c']) expect(toHex(parseHex(hex))).toBe(hex);
});
