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
  await expect(page.getByRole('status')).toContainText('Not updating');
  await expect(page.getByText(/as of \d\d:\d\d:\d\d UTC/)).toBeVisible();
  expect(await numbers(page).count()).toBe(count);
  await context.unroute('**/api/**');
  await page.getByRole('button', { name: 'Retry now' }).click();
  await expect(page.getByText('p50 of the last day')).toBeVisible();
});
