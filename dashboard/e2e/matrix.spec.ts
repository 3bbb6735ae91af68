import { expect, test } from '@playwright/test';
import { numbers, openList, openMatrix } from './pages';

test('shows more than 100 numbers and says that they are simulated', async ({ page }) => {
  await openMatrix(page);
  await expect(page.getByTestId('simulated')).toContainText('Simulated:');
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
});

test('numbers change within 10 s, in place', async ({ page }) => {
  await openMatrix(page);
  const before = await numbers(page).allInnerTexts();
  // The same elements must carry the new numbers: nothing in the table is made anew.
  const made = await page.getByRole('grid').evaluateHandle((table) => {
    const seen = { elements: 0 };
    new MutationObserver((records) => {
      for (const { addedNodes } of records) seen.elements += [...addedNodes].filter((node) => node instanceof Element).length;
    }).observe(table, { childList: true, subtree: true });
    return seen;
  });
  await expect.poll(async () => (await numbers(page).allInnerTexts()).join() !== before.join(), { timeout: 10_000 }).toBe(true);
  expect(await made.evaluate(({ elements }) => elements)).toBe(0);
});

test('opens a pair by click', async ({ page }) => {
  await openMatrix(page);
  const link = numbers(page).first().getByRole('link');
  const href = await link.getAttribute('href');
  await link.click();
  await expect(page).toHaveURL(new RegExp(`${href}$`));
  await expect(page.getByRole('heading', { level: 1 })).toContainText('→');
});

test('opens a pair by keyboard', async ({ page }) => {
  await openMatrix(page);
  await page.getByRole('grid').locator('[tabindex="0"]').focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  const focused = page.locator(':focus');
  await expect(focused).toHaveAttribute('data-row', '1');
  await expect(focused).toHaveAttribute('data-column', '2');
  await expect(page.getByRole('tooltip')).toContainText('Reverse direction');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/pair\/[^/]+\/[^/]+$/);
});

test('keeps percentile, window and filter in the address', async ({ page }) => {
  await openMatrix(page);
  await page.getByRole('radio', { name: 'p90' }).check({ force: true });
  await page.getByRole('radio', { name: '1 h' }).check({ force: true });
  const first = await page.getByRole('rowheader').locator('a').first().locator('span').first().innerText();
  await page.getByLabel('Filter sources').fill(first);
  await expect(page).toHaveURL(/percentile=p90/);
  await expect(page).toHaveURL(/window=1h/);
  await expect(page).toHaveURL(new RegExp(`from=${first}`));
  await page.reload();
  await expect(page.getByRole('radio', { name: 'p90' })).toBeChecked();
  await expect(page.getByLabel('Filter sources')).toHaveValue(first);
  await expect(page.getByRole('rowheader').locator('a')).toHaveCount(1);
  await expect(page.getByText('p90 of the last hour')).toBeVisible();
});

test('lists both directions from a region', async ({ page }) => {
  await openList(page, '/?view=list');
  const backs = page.locator('tbody td:last-child').filter({ hasText: /^\d/ });
  await expect.poll(() => backs.count()).toBeGreaterThan(5);
});

for (const width of [390, 360]) {
  test(`fits a screen of ${width} px`, async ({ page }) => {
    await page.setViewportSize({ width, height: 800 });
    await openList(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await page.getByRole('rowheader').getByRole('link').first().click();
    await expect(page).toHaveURL(/\/pair\//);
    await expect(page.getByRole('region', { name: 'Last 5 min' })).toContainText(/\d ms/);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  });
}

test('keeps the last numbers and offers a retry when the server is gone', async ({ page, context }) => {
  await openMatrix(page);
  const count = await numbers(page).count();
  await context.route('**/api/**', (route) => route.abort());
  // A choice makes the page ask anew; what it has stays until there is an answer.
  await page.getByRole('radio', { name: '1 day' }).check({ force: true });
  await expect(page.getByRole('status').filter({ hasText: 'Not updating' })).toBeVisible();
  await expect(page.getByText(/as of \d\d:\d\d:\d\d UTC/)).toBeVisible();
  expect(await numbers(page).count()).toBe(count);
  await context.unroute('**/api/**');
  await page.getByRole('button', { name: 'Retry now' }).click();
  await expect(page.getByText('p50 of the last day')).toBeVisible({ timeout: 15_000 });
});

test('shows other measures, each with its own scale', async ({ page }) => {
  await openMatrix(page);
  const scale = page.getByRole('list', { name: /^Colour scale/ });
  await expect(scale).toHaveAccessibleName(/round-trip time/);
  for (const [name, measure, shown] of [['Loss', 'loss', /Probes lost/], ['Jitter', 'jitter', /Mean jitter/], ['× fibre', 'fibre', /× light’s in fibre/]] as const) {
    await page.getByRole('radio', { name }).check({ force: true });
    await expect(page).toHaveURL(new RegExp(`measure=${measure}`));
    await expect(page.getByText(shown).first()).toBeVisible();
    await expect(page.locator(`[role=gridcell] .cell[class*="${measure}-"]`).first()).toBeVisible();
  }
  await expect(page.getByRole('radio', { name: 'p50' })).toBeVisible();
  await page.getByRole('radio', { name: 'Loss' }).check({ force: true });
  await expect(page.getByRole('radio', { name: 'p50' })).toHaveCount(0);
});

test('takes any percentile, and says what is none', async ({ page }) => {
  await openMatrix(page);
  const field = page.getByLabel('Any percentile');
  await field.fill('99.9');
  await field.press('Enter');
  await expect(page).toHaveURL(/percentile=p99\.9/);
  await expect(page.getByText('p99.9 of the last 5 min')).toBeVisible();
  await field.fill('p101');
  await field.press('Enter');
  await expect(page.getByRole('alert')).toContainText('p0 to p100');
  await expect(page).toHaveURL(/percentile=p99\.9/);
});

test('hides a group, a region of it, and says so with a third state', async ({ page }) => {
  await openMatrix(page);
  const rows = page.getByRole('rowheader').locator('a');
  const all = await rows.count();
  await page.getByText('Groups, probes and time').click();
  const europe = page.getByRole('checkbox', { name: /^Europe/ });
  await europe.uncheck();
  await expect(page).toHaveURL(/hide=EU/);
  await expect.poll(() => rows.count()).toBeLessThan(all);
  await europe.check();
  await expect.poll(() => rows.count()).toBe(all);
  await page.getByText('Single regions').click();
  await page.getByRole('group', { name: 'Europe' }).getByRole('checkbox').first().uncheck();
  await expect(europe).toBeChecked({ indeterminate: true });
  await expect(rows).toHaveCount(all - 1);
});

test('orders by clusters and from a region, and keeps the order while numbers change', async ({ page }) => {
  await openMatrix(page);
  const ids = (): Promise<string[]> => page.getByRole('columnheader').locator('a').allInnerTexts();
  const places = await ids();
  await page.getByLabel('Order').selectOption('cluster');
  await expect(page.getByText('Cluster 1', { exact: true }).or(page.locator('th[title="Cluster 1"]')).first()).toBeVisible();
  const clustered = await ids();
  expect([...clustered].sort()).toEqual([...places].sort());
  const before = (await numbers(page).allInnerTexts()).join();
  await expect.poll(async () => (await numbers(page).allInnerTexts()).join() !== before).toBe(true);
  expect(await ids()).toEqual(clustered);
  const centre = clustered.at(-3) ?? '';
  await page.getByRole('columnheader').getByRole('link', { name: centre, exact: true }).click();
  await expect(page).toHaveURL(new RegExp(`sort=near&by=${centre}`));
  await expect.poll(async () => (await ids())[0]).toBe(centre);
});

test('shows a moment of the past, without a stream, and leads back', async ({ page }) => {
  const streams: string[] = [];
  page.on('request', (request) => request.url().includes('/stream') && streams.push(request.url()));
  const at = new Date(Date.now() - 120_000).toISOString().slice(0, 16);
  await openMatrix(page, `/?at=${at}:00Z`);
  await expect(page.getByText('As it was at 2')).toContainText(at.replace('T', ' '));
  await expect(page.getByText('p50 of the 5 min before')).toBeVisible();
  expect(streams).toEqual([]);
  await page.getByRole('link', { name: 'Back to live' }).click();
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  expect(new URL(page.url()).search).toBe('');
  expect(streams.length).toBeGreaterThan(0);
});

test('chooses a moment by the reader’s clock', async ({ page }) => {
  await openMatrix(page);
  await page.getByText('Groups, probes and time').click();
  const at = new Date(Date.now() - 180_000).toISOString().slice(0, 16);
  await page.getByLabel('As it was at (UTC)').fill(at);
  await expect(page).toHaveURL(new RegExp(`at=${encodeURIComponent(`${at}:00Z`)}`));
  await expect(page.getByText('As it was at 2')).toBeVisible();
});

test('gives a table, a picture and files of what it shows', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await openMatrix(page, '/?window=1h&percentile=p90');
  await page.getByRole('button', { name: 'Copy table' }).click();
  await expect(page.getByText('Copied')).toBeVisible();
  const lines = (await page.evaluate(() => navigator.clipboard.readText())).split('\n');
  const rows = await page.getByRole('rowheader').locator('a').count();
  expect(lines).toHaveLength(rows + 1);
  expect(lines[1]).toMatch(/\t\d+/);
  const [picture] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as PNG' }).click()]);
  expect(picture.suggestedFilename()).toBe('cloudping-rtt-p90-1h.png');
  for (const name of ['CSV', 'Parquet']) {
    const href = await page.getByRole('link', { name }).getAttribute('href');
    expect(href).toContain('window=1h');
    const answer = await page.request.get(href ?? '');
    expect(answer.ok()).toBe(true);
    expect((await answer.body()).length).toBeGreaterThan(1000);
  }
});
