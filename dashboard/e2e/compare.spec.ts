import { expect, test, type Locator, type Page } from '@playwright/test';
import { hiddenWidth } from './pages';

const FILL_MS = 30_000;

function rows(page: Page): Locator {
  return page.getByRole('region', { name: 'Differences' }).locator('tbody tr');
}

/** Opens the comparison and waits until it has rows. */
async function open(page: Page, address = '/compare?a_window=1h'): Promise<void> {
  await page.goto(address);
  await expect.poll(() => rows(page).count(), { timeout: FILL_MS }).toBeGreaterThan(5);
}

/** What the rows say of the difference, in ms. */
async function differences(page: Page): Promise<number[]> {
  const texts = await rows(page).locator('.delta').allInnerTexts();
  return texts.map((text) => Number(text.replace('−', '-')));
}

test('begins with what differs most, either way', async ({ page }) => {
  await open(page);
  const sizes = (await differences(page)).map(Math.abs);
  expect(sizes).toEqual([...sizes].sort((one, other) => other - one));
  await expect(rows(page).first()).toContainText(/beyond noise|within noise|too few samples/);
  await expect(page.getByTestId('strip')).toHaveAttribute('aria-label', /pairs, from/);
});

test('turns the signs when the sides are swapped', async ({ page }) => {
  const at = new Date(Math.floor(Date.now() / 60_000 - 2) * 60_000).toISOString();
  await open(page, `/compare?a_window=1h&at=${at}`);
  const pair = await rows(page).first().getByRole('rowheader').innerText();
  const [before = 0] = await differences(page);
  await page.getByRole('button', { name: 'Swap A and B' }).click();
  await expect(page).toHaveURL(/b_window=1h/);
  await expect(async () => {
    expect(await rows(page).first().getByRole('rowheader').innerText()).toBe(pair);
    expect((await differences(page))[0]).toBe(-before);
  }).toPass({ timeout: FILL_MS });
});

test('keeps a pinned pair on top, also after a reload', async ({ page }) => {
  await open(page);
  const pin = rows(page).nth(3).getByRole('button');
  const name = (await pin.getAttribute('aria-label')) ?? '';
  await pin.click();
  await expect(page).toHaveURL(/pins=/);
  await expect(rows(page).first().getByRole('button')).toHaveAttribute('aria-label', name);
  await page.reload();
  await expect(rows(page).first().getByRole('button', { name })).toHaveAttribute('aria-pressed', 'true', { timeout: FILL_MS });
  await rows(page).first().getByRole('button').click();
  await expect(page).not.toHaveURL(/pins=/);
});

test('leaves out what may be chance, and keeps the choices in the address', async ({ page }) => {
  await open(page);
  await page.getByLabel('Only what is beyond noise').check();
  await expect(page).toHaveURL(/certain=1/);
  await expect(rows(page).filter({ hasText: /within noise|too few/ })).toHaveCount(0);
  const side = page.getByRole('region', { name: 'Side B' });
  await side.getByLabel('Probe').selectOption('icmp');
  await expect(page).toHaveURL(/b_protocol=icmp/);
  await expect(page.getByText(/No pair has a number on both sides/)).toBeVisible({ timeout: FILL_MS });
});

test('leads from the past into the past', async ({ page }) => {
  const at = `${new Date(Math.floor(Date.now() / 60_000 - 2) * 60_000).toISOString().slice(0, 19)}Z`;
  await open(page, `/compare?a_window=1h&at=${at}`);
  await rows(page).first().getByRole('link').click();
  await expect(page).toHaveURL(new RegExp(`/pair/[^?]*\\?at=${encodeURIComponent(at)}$`));
  await page.getByRole('link', { name: /^All from/ }).first().click();
  await expect(page).toHaveURL(new RegExp(`/region/[^?]*\\?at=${encodeURIComponent(at)}$`));
});

test('fits the narrowest screen, with its table', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 800 });
  await open(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  expect(await hiddenWidth(page.getByRole('region', { name: 'Differences' }))).toBe(0);
  await expect(rows(page).first().getByRole('cell', { name: /^(beyond|within) noise|too few/ })).toBeVisible();
});
