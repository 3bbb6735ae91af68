import { expect, test, type Page } from '@playwright/test';
import { EXAMPLES } from '../src/pages/explore/examples';

const statement = (page: Page) => page.getByRole('textbox', { name: 'Statement' });
const facts = (page: Page) => page.getByTestId('facts');
const result = (page: Page) => page.getByTestId('result');

const address = (query: string): string => `/explore?${new URLSearchParams({ q: query }).toString()}`;
const THREE = "select * from (values ('b', 2, timestamp '2026-01-01 00:00:00'), ('a', 10, timestamp '2026-01-02 00:00:00'), ('c', null, null)) as t(name, n, at)";

for (const { title, query } of EXAMPLES) {
  test(`the example runs: ${title}`, async ({ page }) => {
    const response = await page.request.post('/api/v1/sql', { data: { query } });
    expect(await response.text()).toContain('"truncated":false');
    expect(response.status()).toBe(200);
  });
}

test('runs what it begins with, and shows its rows and types', async ({ page }) => {
  test.setTimeout(180_000);
  // The first rollup is made within two minutes of the server's start.
  await expect(async () => {
    await page.goto('/explore');
    await expect(facts(page)).toContainText(/[1-9]\d* rows?/, { timeout: 10_000 });
  }).toPass({ timeout: 150_000 });
  await expect(result(page).getByRole('columnheader', { name: 'p99_ms number' })).toBeVisible();
  await expect(page.getByTestId('chart').locator('canvas')).toBeVisible();
});

test('says why there are no rows where the archive is still to fill, and only there', async ({ page }) => {
  const none = { columns: [{ name: 'target', type: 'Utf8' }], rows: [], row_count: 0, elapsed_ms: 1, truncated: false };
  await page.route('**/api/v1/sql', (route) => {
    const { query } = route.request().postDataJSON() as { query: string };
    return /rollup_1h/.test(query) ? route.fulfill({ json: none }) : route.continue();
  });
  await page.goto('/explore');
  await expect(result(page)).toContainText(/No rows. rollup_1h is still empty: .* the data begins at \d{4}-.* Run it again then/, { timeout: 30_000 });
  await page.goto(address("select source from live where source = 'nowhere'"));
  await expect(facts(page)).toContainText('0 rows');
  await expect(result(page)).toContainText(/No rows\.\s*$/);
});

test('runs by keyboard, and keeps the statement in the address', async ({ page }) => {
  await page.goto(address('select 1 as one'));
  await expect(facts(page)).toContainText('1 row');
  await statement(page).fill('select 2 as two');
  await page.keyboard.press('Control+Enter');
  await expect(result(page)).toContainText('two');
  await expect(page).toHaveURL(/q=select\+2\+as\+two/);
  await page.reload();
  await expect(result(page)).toContainText('two');
});

test('does not keep the keyboard', async ({ page }) => {
  await page.goto(address('select 1 as one'));
  await expect(facts(page)).toBeVisible();
  await statement(page).focus();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Run' })).toBeFocused();
  await statement(page).focus();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: 'Run' })).toBeFocused();
});

test('orders rows by a click on a head, in the address', async ({ page }) => {
  await page.goto(address(THREE));
  const first = result(page).locator('tbody td').first();
  await expect(first).toHaveText('b');
  const head = result(page).getByRole('columnheader', { name: 'n integer' });
  await head.getByRole('button').click();
  await expect(head).toHaveAttribute('aria-sort', 'ascending');
  await head.getByRole('button').click();
  await expect(first).toHaveText('a');
  await expect(page).toHaveURL(/order=-2/);
  await head.getByRole('button').click();
  await expect(first).toHaveText('b');
});

test('draws lines over times and bars over names', async ({ page }) => {
  await page.goto(address(THREE));
  await expect(page.getByRole('radio', { name: 'line' })).toBeChecked();
  await page.getByRole('radio', { name: 'bars' }).check({ force: true });
  await expect(page).toHaveURL(/chart=bars/);
  await expect(page.getByTestId('chart').locator('canvas')).toBeVisible();
  await page.getByRole('radio', { name: 'none' }).check({ force: true });
  await expect(page.getByTestId('chart')).toHaveCount(0);
});

test('reads its chart by keys', async ({ page }) => {
  await page.goto(address(THREE));
  const chart = page.getByTestId('chart');
  await chart.focus();
  for (const index of ['0', '1']) {
    await page.keyboard.press('ArrowRight');
    await expect(chart).toHaveAttribute('aria-valuenow', index);
  }
  await expect(chart).toHaveAttribute('aria-valuetext', /^2026-.* \d/);
  await expect(chart.locator('i')).not.toHaveCount(0);
});

test('says where a statement is wrong, and goes there', async ({ page }) => {
  await page.goto(address('select 1 as one'));
  await expect(facts(page)).toBeVisible();
  await statement(page).fill('select source\nfrom live\nwhere nonsense = 1');
  await page.getByRole('button', { name: 'Run' }).click();
  await expect(page.getByRole('alert')).toContainText('No field named nonsense');
  await page.getByRole('button', { name: 'Line 3, column 7' }).click();
  const chosen = await statement(page).evaluate((field: HTMLTextAreaElement) => field.value.slice(field.selectionStart, field.selectionEnd));
  expect(chosen).toBe('nonsense');
  // What was there before stays, and says that it is of something else.
  await expect(facts(page)).toContainText('of the statement before');
});

test('cancels what runs', async ({ page }) => {
  await page.goto(address('select 1 as one'));
  await expect(facts(page)).toBeVisible();
  await page.route('**/api/v1/sql', () => undefined);
  await page.getByRole('button', { name: 'Run' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText('Cancelled.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Run' })).toBeVisible();
});

test('writes a name out of the tables into the statement', async ({ page }) => {
  await page.goto(address('select 1 as one'));
  await page.getByText('live', { exact: false }).and(page.locator('summary')).click();
  await statement(page).fill('select ');
  await page.getByRole('button', { name: 'window', exact: true }).click();
  await expect(statement(page)).toHaveValue('select "window"');
});

test('gives the statement to programs and the rows as files', async ({ page }) => {
  await page.goto(address("select 'x' as x"));
  await expect(facts(page)).toBeVisible();
  for (const name of ['curl', 'DuckDB', 'Polars', 'pandas']) {
    await page.getByRole('radio', { name }).check({ force: true });
    await expect(page.getByTestId('snippet')).toContainText(`${new URL(page.url()).origin}/api/v1/sql`);
  }
  await page.getByRole('radio', { name: 'Athena' }).check({ force: true });
  await expect(page.getByTestId('snippet')).toContainText('cloudping rollup ddl');
  const csv = await page.getByRole('link', { name: 'CSV' }).getAttribute('href');
  expect(await (await page.request.get(csv ?? '')).text()).toMatch(/^x\r?\nx\r?\n$/);
});

test('fits a screen of 360 px', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 800 });
  await page.goto('/explore');
  await expect(facts(page)).toBeVisible({ timeout: 20_000 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});
