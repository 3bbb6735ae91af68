import { expect, test, type Locator, type Page } from '@playwright/test';

const FILL_MS = 30_000;

function lines(page: Page): Locator {
  return page.getByTestId('arcs').locator('> g');
}

/** Opens the map and waits until it has lines. */
async function open(page: Page, address = '/map?show=all'): Promise<void> {
  await page.goto(address);
  await expect.poll(() => lines(page).count(), { timeout: FILL_MS }).toBeGreaterThan(20);
}

/** A whole minute, some minutes ago. */
function ago(minutes: number): string {
  return new Date(Math.floor(Date.now() / 60_000 - minutes) * 60_000).toISOString().replace('.000Z', 'Z');
}

test('draws fewer pairs the higher the threshold is', async ({ page }) => {
  await open(page);
  const all = await lines(page).count();
  await page.getByRole('radio', { name: 'Closest' }).check({ force: true });
  await page.getByLabel('Drawn are').selectOption({ label: 'the closest of each region' });
  await expect(page).toHaveURL(/show=near&least=1/);
  await expect.poll(() => lines(page).count()).toBeLessThan(all);
  await expect(page.getByText(/pairs are drawn: the closest of each region/)).toBeVisible();
});

test('shows the pairs of the region in focus alone, and opens its page', async ({ page }) => {
  await open(page);
  const all = await lines(page).count();
  await page.locator('svg a[tabindex="0"]').focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  const id = (await page.locator('svg a:focus').getAttribute('data-id')) ?? '';
  expect(id).not.toBe('');
  await expect.poll(() => lines(page).count()).toBeLessThan(all);
  await page.keyboard.press('Escape');
  await expect(lines(page)).toHaveCount(all);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(new RegExp(`/region/${id}$`));
});

test('has the same numbers in a table', async ({ page }) => {
  await open(page);
  await page.getByText('The numbers behind this map').click();
  const table = page.getByRole('region', { name: 'Numbers behind the map' });
  await expect(table.locator('tbody tr')).toHaveCount(await lines(page).count());
  await expect(table.locator('tbody tr').first()).toContainText('⇄');
});

test('steps back through the day and comes back to now', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: '15 minutes back' }).click();
  await expect(page).toHaveURL(/at=\d{4}-\d\d-\d\dT\d\d%3A(00|15|30|45)%3A00Z/);
  await page.getByRole('radio', { name: 'Now' }).check({ force: true });
  await expect(page).not.toHaveURL(/at=/);
});

test('plays, unless motion is not wanted', async ({ page }) => {
  await open(page, '/map?show=all');
  await page.getByRole('slider', { name: 'Moment' }).press('ArrowLeft');
  await page.getByRole('slider', { name: 'Moment' }).press('ArrowLeft');
  await expect(page).toHaveURL(/at=/);
  const before = page.url();
  await page.getByRole('button', { name: 'Play' }).click();
  await expect(page).not.toHaveURL(before, { timeout: FILL_MS });
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await expect(page.getByRole('button', { name: /Play|Pause/ })).toHaveCount(0);
});

test('shows the same for ever at a moment', async ({ page }) => {
  await open(page, `/map?show=all&at=${ago(3)}`);
  await page.getByText('The numbers behind this map').click();
  const table = page.getByRole('region', { name: 'Numbers behind the map' });
  const before = await table.innerText();
  await page.reload();
  await page.getByText('The numbers behind this map').click();
  await expect.poll(() => table.innerText(), { timeout: FILL_MS }).toBe(before);
});

test('fits the narrowest screen', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 800 });
  await open(page, '/map?show=near');
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
});
