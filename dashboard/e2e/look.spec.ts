/** Every view in both schemes and at three widths: access, faults, fit, and a picture to look at. */

import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { chartDrawn, listNumbers, numbers, SCHEMES, somePair, WIDTHS } from './pages';

test.setTimeout(300_000);

const FILL_MS = 30_000;
/** What comes after the first few is like them, and axe takes its time for each. */
const MORE = ['tbody tr:nth-child(n+8)', 'section ol > li:nth-child(n+8)', 'tbody:nth-of-type(n+3) tr', '[role=gridcell]:nth-child(n+8)'];

interface View {
  /** `PAIR` stands for a pair that is measured. */
  path: string;
  /** Resolves when the view shows what it is for. */
  ready: (page: Page, width: number) => Promise<unknown>;
}

const rows = (page: Page, name: string) => expect(page.getByRole('region', { name }).locator('tbody tr').first()).toContainText(/\d/, { timeout: FILL_MS });
const heading = (page: Page, name: RegExp) => expect(page.getByRole('heading', { level: 1, name })).toBeVisible();

const VIEWS: Record<string, View> = {
  matrix: {
    path: '/',
    ready: (page, width) => expect.poll(() => (width < 760 ? listNumbers(page) : numbers(page)).count(), { timeout: FILL_MS }).toBeGreaterThan(5),
  },
  list: { path: '/?view=list', ready: (page) => expect.poll(() => listNumbers(page).count(), { timeout: FILL_MS }).toBeGreaterThan(5) },
  pair: { path: '/pair/PAIR?range=24h', ready: chartDrawn },
  region: { path: '/region/SOURCE', ready: (page) => expect(page.locator('.table tbody tr').first()).toContainText(/\d/, { timeout: FILL_MS }) },
  map: { path: '/map', ready: (page) => expect(page.getByText(/of [\d,]+ pairs are drawn/)).toBeVisible({ timeout: FILL_MS }) },
  compare: { path: '/compare', ready: (page) => rows(page, 'Differences') },
  changes: { path: '/changes', ready: (page) => expect(page.getByTestId('summary')).toContainText(/steps? /, { timeout: FILL_MS }) },
  coverage: { path: '/coverage', ready: (page) => rows(page, 'Vantage points') },
  gateways: { path: '/gateways', ready: (page) => expect(page.getByRole('region', { name: 'us-east-1' })).toContainText(/\d \/s/, { timeout: FILL_MS }) },
  // It runs its first example by itself.
  explore: { path: '/explore', ready: (page) => rows(page, 'Result') },
  share: { path: '/share', ready: (page) => expect(page.frameLocator('[data-testid="preview"]').getByTestId('number')).toHaveText(/\d ms/, { timeout: FILL_MS }) },
  'embed-pair': { path: '/embed/pair/PAIR', ready: chartDrawn },
  'embed-number': { path: '/embed/number/PAIR', ready: (page) => expect(page.getByTestId('number')).toHaveText(/\d ms/, { timeout: FILL_MS }) },
  'embed-matrix': { path: '/embed/matrix?regions=SOURCE,TARGET', ready: (page) => rows(page, 'Matrix') },
  about: { path: '/about', ready: (page) => heading(page, /About/) },
  nowhere: { path: '/there/is/no/such/page', ready: (page) => heading(page, /No such page/) },
};

/** With one that is no rule by default: whoever speaks to the page says what is seen of a control. */
const RULES: Parameters<AxeBuilder['options']>[0] = { resultTypes: ['violations'], rules: { 'label-content-name-mismatch': { enabled: true } } };

/** What the browser complains of, and whom it asks that it should not. */
function listen(page: Page, origin: string): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => request.url().startsWith(`${origin}/`) || complaints.push(`request to ${request.url()}`));
  return complaints;
}

for (const colorScheme of SCHEMES) {
  for (const width of WIDTHS) {
    test(`every view, ${colorScheme}, ${width} px`, async ({ page, baseURL }) => {
      const { source, target } = await somePair(page);
      const complaints = listen(page, new URL(baseURL ?? '').origin);
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 900 });
      for (const [name, { path, ready }] of Object.entries(VIEWS)) {
        await test.step(name, async () => {
          await page.goto(path.replace('PAIR', `${source}/${target}`).replace('SOURCE', source).replace('TARGET', target));
          await ready(page, width);
          await expect(page.getByText('Loading…').filter({ visible: true })).toHaveCount(0, { timeout: FILL_MS });
          expect.soft(await page.evaluate(() => document.documentElement.scrollWidth), `${name} fits`).toBeLessThanOrEqual(width);
          await page.screenshot({ path: `test-results/screenshots/${name}-${width}-${colorScheme}.png`, fullPage: true });
          const axe = MORE.reduce((builder, selector) => builder.exclude(selector), new AxeBuilder({ page }).options(RULES));
          const { violations } = await axe.analyze();
          const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
          expect.soft(found, `${name}, axe`).toEqual([]);
          expect.soft(complaints.splice(0), `${name}, complaints`).toEqual([]);
        });
      }
    });
  }
}
