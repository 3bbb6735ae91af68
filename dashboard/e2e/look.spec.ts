/** Accessibility and pictures of every page, in both schemes. */

import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { openList, openMatrix, openPair, SCHEMES, WIDTHS } from './pages';

// axe examines each of some 1,500 cells, which takes a minute on a busy machine.
test.setTimeout(300_000);

const PAGES: Record<string, (page: Page, width: number) => Promise<unknown>> = {
  matrix: (page, width) => (width < 760 ? openList(page) : openMatrix(page)),
  pair: (page) => openPair(page),
};

for (const [name, open] of Object.entries(PAGES)) {
  for (const colorScheme of SCHEMES) {
    for (const width of WIDTHS) {
      test(`${name}, ${colorScheme}, ${width} px`, async ({ page }) => {
        const complaints: string[] = [];
        page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
        page.on('pageerror', (error) => complaints.push(error.message));

        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.setViewportSize({ width, height: 900 });
        await open(page, width);
        await page.screenshot({ path: `test-results/screenshots/${name}-${width}-${colorScheme}.png`, fullPage: true });

        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`)).toEqual([]);
        expect(complaints).toEqual([]);
      });
    }
  }
}
