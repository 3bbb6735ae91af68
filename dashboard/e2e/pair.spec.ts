import { expect, test } from '@playwright/test';
import { chartDrawn, openPair } from './pages';

test('draws the chart and its figures', async ({ page }) => {
  await openPair(page);
  const chart = await chartDrawn(page);
  // Pixels in the accent colour exist only where the median is drawn.
  const painted = await chart.locator('canvas').first().evaluate((canvas: HTMLCanvasElement) => {
    const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const context = canvas.getContext('2d');
    if (probe === null || context === null) return 0;
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--accent');
    probe.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0] = probe.getImageData(0, 0, 1, 1).data;
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] === 255) count += 1;
    }
    return count;
  });
  expect(painted).toBeGreaterThan(5);
  await expect(page.getByText('Light in fibre')).toBeVisible();
});

test('has the same numbers in a table', async ({ page }) => {
  await openPair(page);
  await page.getByText('The numbers behind this chart').click();
  const row = page.getByRole('region', { name: 'Numbers behind the chart' }).locator('tbody tr').first();
  await expect(row).toContainText(/\d\d:\d\d/);
  await expect(row.locator('td')).toHaveCount(8);
});

test('updates while it is open', async ({ page }) => {
  await openPair(page);
  const asOf = page.locator('time');
  const before = await asOf.innerText();
  await expect.poll(() => asOf.innerText(), { timeout: 20_000 }).not.toBe(before);
});

test('keeps the range in the address and leads to the reverse direction', async ({ page }) => {
  const { source, target } = await openPair(page);
  await page.getByRole('radio', { name: '15 min' }).check({ force: true });
  await expect(page).toHaveURL(/range=15m/);
  await chartDrawn(page);
  await page.getByRole('link', { name: /Reverse direction/ }).click();
  await expect(page).toHaveURL(new RegExp(`/pair/${target}/${source}\\?range=15m$`));
  await page.goBack();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`${source} → ${target}`);
});

test('answers an unknown address with a page', async ({ page }) => {
  await page.goto('/no/such/page');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('No such page');
});
