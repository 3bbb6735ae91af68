/** The gateways of `cloudping up --planet --gateway`. What needs an outage writes it into the scenario that CLOUDPING_WEATHER names, and takes it back. */

import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test, type Page } from '@playwright/test';

const FILE = process.env['CLOUDPING_WEATHER'] ?? '';
/** The whole region is away, in both directions. */
const OUTAGE = '\n[[link]]\nsource = "*"\ntarget = "eu-west-1"\ndown = true\n';
/** From the outage to its being on the page: the scenario is read, the target fails twice, the page asks. */
const MOVED_MS = 15_000;

const card = (page: Page, name: string) => page.getByRole('region', { name, exact: true });
const log = (page: Page) => page.getByRole('log').getByRole('listitem');

async function open(page: Page): Promise<void> {
  await page.goto('/gateways');
  await expect(page.getByTestId('picture')).toBeVisible();
}

test('shows who serves whom, with what passes now', async ({ page }) => {
  await open(page);
  await expect(page.getByRole('table')).toHaveCount(3);
  const own = card(page, 'us-east-1');
  await expect(own.getByRole('heading', { level: 3 })).toHaveText('counter is served by us-east-1');
  await expect(own.getByRole('row').nth(1)).toContainText(/us-east-1.*serves.*\d \/s.*100 %/, { timeout: 20_000 });
  await expect(page.getByTestId('picture')).toHaveAttribute('aria-label', /us-east-1 → us-east-1 serves, [\d.]+ \/s/);
  await expect(page.getByText('Updated every 1 s')).toBeVisible();
});

test('shows a fail-over, and the way back', async ({ page }) => {
  test.skip(FILE === '', 'CLOUDPING_WEATHER must name the scenario of the server under test');
  await open(page);
  const gateway = card(page, 'eu-west-1');
  const serving = gateway.getByRole('heading', { level: 3 });
  await expect(serving).toHaveText(/by eu-west-1$/, { timeout: 20_000 });
  try {
    writeFileSync(FILE, readFileSync(FILE, 'utf8') + OUTAGE);
    await expect(serving).not.toHaveText(/by eu-west-1$/, { timeout: MOVED_MS });
    await expect(log(page).filter({ hasText: /eu-west-1 counter: eu-west-1 → (us-east-1|ap-southeast-1) \(/ }).first()).toBeVisible();
    const bad = gateway.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'eu-west-1', exact: true }) });
    await expect(bad).toContainText(/left alone|on trial/);
    // Trials are no moves.
    await page.waitForTimeout(4_000);
    await expect(log(page).filter({ hasText: /^[\d:]+ eu-west-1 / })).toHaveCount(1);
    await expect(page.getByTestId('picture')).toHaveAttribute('aria-label', /eu-west-1 → eu-west-1 is not well/);
  } finally {
    // Other tests may have written into it meanwhile.
    writeFileSync(FILE, readFileSync(FILE, 'utf8').replace(OUTAGE, ''));
  }
  await expect(serving).toHaveText(/by eu-west-1$/, { timeout: 2 * MOVED_MS });
  await expect(log(page).first()).toContainText(/→ eu-west-1 \(well again\)/);
});

test('keeps the last state of a gateway that does not answer, and says so', async ({ page }) => {
  await page.route('**/api/v1/gateways', async (route) => {
    const response = await route.fetch();
    const body = (await response.json()) as { gateways: { error: string | null }[] };
    Object.assign(body.gateways[0] ?? {}, { error: 'it did not answer within 2 s' });
    await route.fulfill({ response, json: body });
  });
  await open(page);
  await expect(page.getByText(/Does not answer: it did not answer within 2 s; this is as of \d\d:\d\d:\d\d/)).toHaveCount(1);
  await expect(page.getByRole('table')).toHaveCount(3);
});

test('says what a gateway is where there is none', async ({ page }) => {
  await page.route('**/api/v1/gateways', (route) => route.fulfill({ json: { simulated: true, as_of: new Date().toISOString(), gateways: [] } }));
  await page.goto('/gateways');
  await expect(page.getByText('knows of no gateway')).toBeVisible();
  await expect(page.getByText('cloudping up --planet --gateway')).toBeVisible();
});

test('fits a screen of 360 px, with its tables', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 800 });
  await open(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
});
