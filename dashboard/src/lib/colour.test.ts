import { describe, expect, it } from 'vitest';
import { classLabel, classOf, contrast, edgesOf, heatClass, heatCss, luminance, MEASURES, paints, parseHex, textOn, toHex } from './colour';

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

describe.each(MEASURES.flatMap((measure) => (['light', 'dark'] as const).map((scheme) => ({ measure, scheme }))))(
  'the $scheme scale of $measure',
  ({ measure, scheme }) => {
    const scale = paints(scheme, measure);

    it('has a paint for each class with readable text', () => {
      expect(scale).toHaveLength(edgesOf(measure).length);
      for (const { background, text } of scale) expect(contrast(background, text)).toBeGreaterThanOrEqual(4.5);
    });

    it('is strictly monotonic in luminance, away from the page', () => {
      const sign = scheme === 'light' ? -1 : 1;
      for (let index = 1; index < scale.length; index += 1) {
        const step = luminance(scale[index]!.background) - luminance(scale[index - 1]!.background);
        expect(step * sign).toBeGreaterThan(0);
      }
    });
  },
);

describe.each(MEASURES)('classes of %s', (measure) => {
  const edges = edgesOf(measure);

  it('rise, and hold their lower bound and not their upper', () => {
    edges.forEach((edge, index) => {
      expect(classOf(edge, measure)).toBe(index);
      if (index > 1) expect(classOf(edge * 0.9999, measure)).toBe(index - 1);
    });
    expect(classOf(10_000, measure)).toBe(edges.length - 1);
  });

  it('are all in the style sheet, in both schemes', () => {
    const [light, dark] = heatCss().split('@media');
    edges.forEach((_, index) => {
      expect(light).toContain(`.${heatClass(index, measure)}{`);
      expect(dark).toContain(`.${heatClass(index, measure)}{`);
    });
  });
});

describe('names of classes', () => {
  it('have both bounds, the last but one', () => {
    expect(classLabel(0)).toBe('0–10');
    expect(classLabel(15)).toBe('350+');
    expect(classLabel(2, 'fibre')).toBe('1.1–1.2');
  });

  it('tell no loss from a little', () => {
    expect([0, 1, 2, 15].map((index) => classLabel(index, 'loss'))).toEqual(['0', '>0, <0.1', '0.1–0.2', '75+']);
    expect(classOf(0, 'loss')).toBe(0);
    expect(classOf(1e-6, 'loss')).toBe(1);
  });
});

it('reads what it writes', () => {
  for (const hex of ['#000000', '#ffffff', '#190f3d', '#0a0b0c']) expect(toHex(parseHex(hex))).toBe(hex);
});
