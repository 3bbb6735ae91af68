import { expect, test, type Page } from '@playwright/test';
import { hiddenWidth } from './pages';

const table = (page: Page) => page.getByRole('region', { name: 'Vantage points' });
const names = (page: Page) => table(page).locator('tbody > tr > th').getByRole('button');

async function open(page: Page, address = '/coverage'): Promise<void> {
  await page.goto(address);
  await expect(names(page).first()).toBeVisible();
}

test('has a row for each vantage point, with its hours', async ({ page }) => {
  await open(page);
  const { vantages } = (await (await page.request.get('/api/v1/regions')).json()) as { vantages: unknown[] };
  await expect(names(page)).toHaveCount(vantages.length);
  await expect(table(page).getByRole('img').first()).toHaveAccessibleName(/\d+ hours: \d+ whole, \d+ incomplete, \d+ without a record/);
  await expect(page.getByTestId('summary')).toContainText('Dead letters');
  await expect(page.getByTestId('summary')).toContainText(/\d+ of \d+/);
});

test('opens a row to the numbers of its hours, by keyboard, in the address', async ({ page }) => {
  await open(page);
  const first = names(page).first();
  await first.focus();
  await page.keyboard.press('Enter');
  await expect(first).toHaveAttribute('aria-expanded', 'true');
  await expect(page).toHaveURL(/open=/);
  await expect(page.getByRole('columnheader', { name: 'Counted' })).toBeVisible();
  await page.reload();
  await expect(names(page).first()).toHaveAttribute('aria-expanded', 'true');
});

test('sorts and filters, in the address', async ({ page }) => {
  await open(page);
  const head = table(page).getByRole('columnheader', { name: 'Vantage point' });
  await head.getByRole('button').click();
  await expect(head).toHaveAttribute('aria-sort', 'ascending');
  const up = await names(page).allInnerTexts();
  await head.getByRole('button').click();
  await expect(page).toHaveURL(/sort=-name/);
  expect(await names(page).allInnerTexts()).toEqual(up.toReversed());
  const some = (up[0] ?? '').replace('▸', '').trim();
  await page.getByLabel('Filter vantage points').fill(some);
  await expect(names(page)).toHaveCount(1);
  await expect(page).toHaveURL(new RegExp(`filter=${some}`));
});

test('shows what the account says of its regions, where somebody has looked', async ({ page }) => {
  await open(page);
  await expect(page.getByRole('heading', { name: 'Regions of the account' })).toHaveCount(0);
  const region = (id: string, status: string, more = {}) => ({
    id, status, catalogued: true, outcome: 'none', producer_sha256: null, first_data_at: null, last_data_at: null, ...more,
  });
  const data = { outcome: 'unchanged', producer_sha256: 'q83vEjRWeJA=', first_data_at: '2026-01-02T00:00:00.000Z', last_data_at: '2026-03-04T05:06:07.000Z' };
  const regions = [region('af-south-1', 'DISABLED'), region('us-east-1', 'ENABLED_BY_DEFAULT', data), region('xx-new-1', 'ENABLING', { catalogued: false })];
  await page.route('**/api/v1/regions/account', (route) => route.fulfill({ json: { simulated: true, checked_at: '2026-03-04T05:00:00.000Z', regions } }));
  await page.setViewportSize({ width: 360, height: 800 });
  await open(page);
  await expect(page.getByText('3 regions: 1 enabled, 1 being enabled, 1 not opted in; 1 uncatalogued.')).toBeVisible();
  await page.getByText('Region by region').click();
  await expect(page.getByRole('row', { name: /^us-east-1 enabled q83vEjRW .*2026.* – .*2026/ })).toBeVisible();
  await expect(page.getByRole('row', { name: 'af-south-1 not opted in none none' })).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});

test('tells a vantage point that is silent and one that is incomplete, worst first', async ({ page }) => {
  await page.route('**/api/v1/coverage', async (route) => {
    const response = await route.fetch();
    const body = (await response.json()) as { hours: { source: string; counted: number; completeness: number; gaps: Record<string, number> }[] };
    const own = body.hours.filter(({ source }) => source === 'us-west-2');
    own.forEach((hour) => (hour.gaps = {}));
    Object.assign(own.at(-1) ?? {}, { counted: 1, completeness: 50, missing_rounds: 7, gaps: { overload: 7 } });
    await route.fulfill({ response, json: body });
  });
  await page.route('**/api/v1/coverage/pairs', async (route) => {
    const response = await route.fetch();
    const body = (await response.json()) as { pairs: { source: string; last: string }[] };
    body.pairs = body.pairs.filter(({ source }) => source !== 'us-west-1');
    await route.fulfill({ response, json: body });
  });
  await open(page);
  const row = (name: string) => table(page).locator('tbody > tr').filter({ hasText: name });
  await expect(row('us-west-1')).toContainText('silent');
  await expect(row('us-west-2')).toContainText('incomplete');
  await expect(row('us-west-2')).toContainText('7 × overload');
  await expect(names(page).first()).toContainText('us-west-1');
  await page.getByRole('radio', { name: 'not whole' }).check({ force: true });
  await expect(page).toHaveURL(/show=trouble/);
  await expect(table(page).locator('tbody .condition').filter({ hasText: 'whole' })).toHaveCount(0);
  await expect(row('us-west-2')).toBeVisible();
});

test('keeps its numbers when the service is gone, and says so', async ({ page, context }) => {
  await open(page);
  const count = await names(page).count();
  await context.route('**/api/**', (route) => route.abort());
  await expect(page.getByRole('status').first()).toContainText('Not updating', { timeout: 15_000 });
  expect(await names(page).count()).toBe(count);
  await context.unroute('**/api/**');
  await page.getByRole('button', { name: 'Retry now' }).click();
  await expect(page.getByText('Updated every 5 s')).toBeVisible();
});

test('fits a screen of 360 px, with its table and its hours', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 800 });
  await open(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await names(page).first().click();
  await expect(page.getByRole('columnheader', { name: 'Due' })).toBeVisible();
  expect(await hiddenWidth(table(page))).toBe(0);
  await expect(table(page).getByRole('row').nth(1).getByRole('cell', { name: /^complete [\d.]+ %$/ })).toBeVisible();
});
