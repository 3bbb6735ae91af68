/** The matrix of far more regions than the server under test has. All of its data is synthetic: see `large.ts`. */

import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Locator, type Page } from '@playwright/test';
import { LARGE, serveLarge } from './large';
import { SCHEMES } from './pages';

/** The answer of 42,000 pairs passes through the browser's debugger, beside another browser. */
const FILL_MS = 30_000;

async function openLarge(page: Page, address = '/'): Promise<Locator> {
  await serveLarge(page);
  await page.goto(address);
  const stage = page.getByRole('application');
  await expect(page.getByText(/4\d,\d{3} pairs with an answer/)).toBeVisible({ timeout: FILL_MS });
  await expect(stage).toBeVisible();
  return stage;
}

test('draws what no table could hold', async ({ page }) => {
  const stage = await openLarge(page);
  await expect(page.getByText(`${LARGE} × ${LARGE} pairs`)).toBeVisible();
  await expect(page.getByRole('gridcell')).toHaveCount(0);
  // Something is painted, and more than one colour of it.
  await expect.poll(() => stage.locator('canvas').evaluate((canvas: HTMLCanvasElement) => {
    const pixels = new Uint32Array(canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return new Set(pixels).size;
  })).toBeGreaterThan(8);
});

test('tells what is under the pointer, and opens a part by click', async ({ page }) => {
  const stage = await openLarge(page);
  await stage.locator('canvas').hover({ position: { x: 400, y: 60 } });
  await expect(page.getByRole('tooltip')).toContainText('Reverse direction');
  await stage.locator('canvas').click({ position: { x: 400, y: 60 } });
  await expect(page).toHaveURL(/rows=.*columns=/);
  await expect(page.getByRole('grid')).toBeVisible();
  expect(await page.getByRole('rowheader').locator('a').count()).toBeLessThanOrEqual(45);
  await page.getByRole('link', { name: 'Show all of it' }).click();
  await expect(stage).toBeVisible();
});

test('opens what is dragged over', async ({ page }) => {
  const stage = await openLarge(page);
  const box = (await stage.locator('canvas').boundingBox())!;
  await page.mouse.move(box.x + 20, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + 60, box.y + 40, { steps: 3 });
  await page.mouse.up();
  await expect(page.getByRole('grid')).toBeVisible();
  const address = new URL(page.url()).searchParams;
  expect(address.get('columns')?.split(',').length).toBeGreaterThan(address.get('rows')?.split(',').length ?? 0);
});

test('is worked by keyboard, and spoken', async ({ page }) => {
  const stage = await openLarge(page);
  await stage.focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  await expect(page.locator('[aria-live]')).toContainText(/^\w+-synthetic-\d+ to \w+-synthetic-\d+: /);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('tooltip')).toHaveCount(0);
  await page.keyboard.press('Home');
  for (const _ of [1, 2, 3]) await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('grid')).toBeVisible();
  expect(new URL(page.url()).searchParams.get('columns')?.split(',')).toHaveLength(4);
});

test('narrows by provider', async ({ page }) => {
  await openLarge(page);
  await page.getByText('Groups, probes and time').click();
  for (const name of ['AWS', 'Azure', 'Google Cloud']) await page.getByRole('checkbox', { name }).uncheck();
  await expect(page.getByText('51 × 51 pairs')).toBeVisible();
  await expect(page).toHaveURL(/without=aws%2Cazure%2Cgcp/);
});

for (const colorScheme of SCHEMES) {
  test(`has nothing for axe to find, ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    const stage = await openLarge(page);
    await stage.locator('canvas').hover({ position: { x: 400, y: 60 } });
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`)).toEqual([]);
  });
}
