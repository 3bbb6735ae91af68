import { expect, test, type Locator, type Page } from '@playwright/test';
import { hiddenWidth } from './pages';

const FILL_MS = 30_000;

function rows(page: Page): Locator {
  return page.getByRole('region', { name: 'Ranking', exact: true }).locator('tbody tr');
}

/** Opens the page and waits until more than `least` regions are ranked. */
async function open(page: Page, address: string, least = 5): Promise<void> {
  await page.goto(address);
  await expect.poll(() => rows(page).count(), { timeout: FILL_MS }).toBeGreaterThan(least);
}

/** Ids of some regions that measure. */
async function regions(page: Page): Promise<string[]> {
  const answer = (await (await page.request.get('/api/v1/regions')).json()) as { regions: { id: string; vantage: boolean }[] };
  return answer.regions.filter(({ vantage }) => vantage).map(({ id }) => id);
}

test('ranks what a region reaches, the closest first', async ({ page }) => {
  const [first = ''] = await regions(page);
  await open(page, '/region');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(first);
  const numbers = (await rows(page).locator('.chip').allInnerTexts()).map((text) => Number.parseFloat(text));
  expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
  // A line of the map for each of them.
  await expect(page.getByTestId('arcs').locator('> g')).toHaveCount(numbers.length);
});

test('has a region that is chosen on the map in its middle', async ({ page }) => {
  const [first = ''] = await regions(page);
  await open(page, `/region/${first}?direction=to`);
  const dots = page.locator('svg a');
  await dots.first().focus();
  await page.keyboard.press('End');
  const chosen = (await page.locator('svg a:focus').getAttribute('data-id')) ?? '';
  expect(chosen).not.toBe(first);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(chosen);
  await expect(page).toHaveURL(new RegExp(`/region/${chosen}\\?direction=to$`));
  await page.goBack();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(first);
});

test('finds what is closest to several, and forgets one again', async ({ page }) => {
  const [first = '', second = '', third = ''] = await regions(page);
  await open(page, `/region/${first}`);
  await page.getByLabel('Closest to all of these: add').selectOption(second);
  await page.getByLabel('Closest to all of these: add').selectOption(third);
  await expect(page).toHaveURL(/with=/);
  await expect(page.getByRole('columnheader', { name: third })).toBeVisible();
  const [worst = 0, ...members] = (await rows(page).first().locator('td:not(.track)').allInnerTexts()).slice(1).map(Number);
  expect(Math.max(...members.slice(0, 3))).toBe(worst);
  await page.getByRole('radio', { name: 'Mean' }).check({ force: true });
  await expect(page).toHaveURL(/by=mean/);
  await page.getByRole('button', { name: `Remove ${second}` }).click();
  await expect(page.getByRole('columnheader', { name: second })).toHaveCount(0);
});

test('shows the same for ever at a moment', async ({ page }) => {
  const [first = ''] = await regions(page);
  const at = new Date(Math.floor(Date.now() / 60_000 - 2) * 60_000).toISOString().replace('.000Z', 'Z');
  await open(page, `/region/${first}?at=${at}`);
  await expect(page.getByLabel('When, date and time')).toHaveValue(at.slice(0, 16));
  const before = await rows(page).allInnerTexts();
  await page.reload();
  await expect.poll(() => rows(page).allInnerTexts(), { timeout: FILL_MS }).toEqual(before);
});

test('says so of a region that there is not', async ({ page }) => {
  await page.goto('/region/nowhere');
  await expect(page.getByText(/no source "nowhere"/).first()).toBeVisible();
});

test('fits the narrowest screen, with several members too', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 800 });
  const [first = '', ...others] = (await regions(page)).slice(0, 4);
  const ranking = page.getByRole('region', { name: 'Ranking', exact: true });
  for (const address of ['/region', `/region/${first}?with=${others.join()}`]) {
    await open(page, address);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    expect(await hiddenWidth(ranking)).toBe(0);
  }
  for (const member of [first, ...others]) await expect(rows(page).first().getByRole('rowheader')).toContainText(new RegExp(`${member} [0-9.]+`));
});
