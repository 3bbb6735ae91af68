import { expect, test, type Page } from '@playwright/test';
import { chartDrawn, hoursShown, openPair } from './pages';

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

test('has the same numbers in tables', async ({ page }) => {
  await openPair(page);
  await page.getByText('The numbers behind this chart').click();
  const row = page.getByRole('region', { name: 'Numbers behind the chart' }).locator('tbody tr').first();
  await expect(row).toContainText(/\d\d:\d\d/);
  await expect(row.locator('td')).toHaveCount(8);
  await page.getByText('These percentiles as a table').click();
  await expect(page.getByRole('region', { name: 'Percentiles' }).getByRole('row', { name: /^p50/ })).toContainText(/\d/);
  await page.getByText('These hours as a table').click();
  await expect(page.getByRole('region', { name: 'Numbers of these hours' }).locator('tbody tr').first()).toContainText(/\d\d:00/);
});

test('updates while it is open', async ({ page }) => {
  await openPair(page);
  const asOf = page.locator('.status time');
  const before = await asOf.innerText();
  await expect.poll(() => asOf.innerText(), { timeout: 20_000 }).not.toBe(before);
});

test('keeps range and overlays in the address and leads to the reverse direction', async ({ page }) => {
  const { source, target } = await openPair(page);
  await page.getByRole('radio', { name: '15 min' }).check({ force: true });
  await expect(page).toHaveURL(/range=15m/);
  await page.getByRole('checkbox', { name: 'Reverse direction' }).check();
  await expect(page).toHaveURL(/show=steps%2Creverse/);
  await expect(page.getByText('reverse p50')).toBeVisible();
  await page.reload();
  await expect(page.getByRole('checkbox', { name: 'Reverse direction' })).toBeChecked();
  await chartDrawn(page);
  await page.getByRole('link', { name: /^Reverse direction/ }).click();
  await expect(page).toHaveURL(new RegExp(`/pair/${target}/${source}\\?range=15m&show=steps%2Creverse$`));
  await page.goBack();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`${source} → ${target}`);
});

function spanOf(page: Page): { start: number; end: number } {
  const { searchParams } = new URL(page.url());
  return { start: Date.parse(searchParams.get('start') ?? ''), end: Date.parse(searchParams.get('end') ?? '') };
}

test('zooms by a drag, and back by Escape', async ({ page }) => {
  await openPair(page);
  const chart = await chartDrawn(page);
  await chart.scrollIntoViewIfNeeded();
  const box = await chart.locator('.over').first().boundingBox();
  if (box === null) throw new Error('no chart');
  await page.mouse.move(box.x + box.width * 0.5, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 60, { steps: 5 });
  await page.mouse.up();
  await expect(page).toHaveURL(/start=.*end=/);
  const { start, end } = spanOf(page);
  // Three tenths of an hour, in whole minutes.
  expect(Math.abs(end - start - 18 * 60_000)).toBeLessThanOrEqual(120_000);
  await expect(page.getByText('Fixed:')).toBeVisible();
  await chart.focus();
  await page.keyboard.press('Escape');
  await expect(page).not.toHaveURL(/start=/);
});

test.describe('under a finger', () => {
  test.use({ hasTouch: true });

  test('reads what a finger points at until it touches something else', async ({ page }) => {
    await openPair(page);
    const chart = await chartDrawn(page);
    const [readout, cursor] = [page.locator('.readout .when').first(), chart.locator('.cursor').first()];
    const over = chart.locator('.over');
    await over.first().tap({ position: { x: 20, y: 60 } });
    await expect(cursor).toBeVisible();
    await expect(readout).not.toContainText('newest');
    // The chart of the loss has the same cursor.
    await over.nth(1).tap({ position: { x: 60, y: 20 } });
    await expect(cursor).toBeVisible();
    await page.getByTestId('spread').tap({ position: { x: 60, y: 100 } });
    await expect(cursor).toHaveCount(0);
    await expect(readout).toContainText('newest');
    const percentile = page.getByTestId('spread');
    await expect(percentile).not.toHaveAttribute('aria-valuetext', /^p50:/);
    await page.getByRole('heading', { level: 1 }).tap();
    await expect(percentile).toHaveAttribute('aria-valuetext', /^p50:/);
  });

  test('zooms by a drag along it', async ({ page }) => {
    await openPair(page);
    const chart = await chartDrawn(page);
    const over = chart.locator('.over').first();
    await over.scrollIntoViewIfNeeded();
    const box = await over.boundingBox();
    if (box === null) throw new Error('no chart');
    const hand = await page.context().newCDPSession(page);
    const touch = (type: 'touchStart' | 'touchMove', share: number) =>
      hand.send('Input.dispatchTouchEvent', { type, touchPoints: [{ x: box.x + box.width * share, y: box.y + 60 }] });
    await touch('touchStart', 0.5);
    for (const share of [0.55, 0.6, 0.7, 0.8]) await touch('touchMove', share);
    await hand.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await expect(page).toHaveURL(/start=.*end=/);
    const { start, end } = spanOf(page);
    expect(Math.abs(end - start - 18 * 60_000)).toBeLessThanOrEqual(120_000);
  });
});

test('is read and moved by keys', async ({ page }) => {
  await openPair(page);
  const chart = await chartDrawn(page);
  await chart.focus();
  const newest = Number(await chart.getAttribute('aria-valuenow'));
  await page.keyboard.press('ArrowLeft');
  await expect(chart).toHaveAttribute('aria-valuenow', String(newest - 1));
  await expect(chart).toHaveAttribute('aria-valuetext', /p50 .* ms|nothing was measured/);
  await page.keyboard.press('+');
  await expect(page).toHaveURL(/start=/);
  const zoomed = spanOf(page);
  expect(zoomed.end - zoomed.start).toBe(30 * 60_000);
  await page.keyboard.press('Shift+ArrowLeft');
  await expect.poll(() => spanOf(page).start).toBe(zoomed.start - 15 * 60_000);
  await page.getByRole('button', { name: 'Zoom out' }).click();
  await expect.poll(() => spanOf(page).end - spanOf(page).start).toBe(60 * 60_000);
});

test('reads the percentiles and the hours of the week by keys', async ({ page }) => {
  await openPair(page);
  const spread = page.getByTestId('spread');
  await spread.focus();
  await page.keyboard.press('End');
  await expect(spread).toHaveAttribute('aria-valuetext', /^p9\d.*samples/);
  const grid = await hoursShown(page);
  const focused = grid.locator('td:focus');
  await grid.locator('[tabindex="0"]').focus();
  const before = await focused.getAttribute('data-at');
  // On a Monday the newest hour is in the first row.
  await page.keyboard.press(before?.startsWith('0-') === true ? 'ArrowDown' : 'ArrowUp');
  await expect(focused).not.toHaveAttribute('data-at', before ?? '');
});

test('shows the same for ever where the address has a time', async ({ page }) => {
  const { source, target } = await openPair(page);
  const at = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 120_000).toISOString().replace('.000Z', 'Z');
  await page.goto(`/pair/${source}/${target}?at=${at}`);
  await chartDrawn(page);
  await expect(page.getByText('Fixed:')).toContainText(at.slice(11, 16));
  await expect(page.getByText('Updated every')).toHaveCount(0);
  const figure = page.getByRole('region', { name: 'Last 5 min' });
  await expect(figure).toContainText(/\d ms/);
  await page.getByRole('link', { name: 'Show the present' }).click();
  await expect(page.getByText('Updated every')).toBeVisible();
});

test('keeps the last numbers when the server is gone, and comes back', async ({ page, context }) => {
  await openPair(page);
  await context.route('**/api/**', (route) => route.abort());
  await expect(page.getByText(/Not updating/)).toBeVisible({ timeout: 20_000 });
  await expect(page.getByRole('region', { name: 'Last 5 min' })).toContainText(/\d ms/);
  await expect(page.getByTestId('chart')).toBeVisible();
  await context.unroute('**/api/**');
  await page.getByRole('button', { name: 'Retry now' }).click();
  await expect(page.getByText(/Not updating/)).toHaveCount(0, { timeout: 20_000 });
});

test('says what is wrong with a pair that there is not', async ({ page }) => {
  await page.goto('/pair/nowhere/elsewhere');
  await expect(page.getByText(/Not updating: Not Found/)).toBeVisible();
});

test('fits a narrow screen', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 800 });
  await openPair(page);
  await hoursShown(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});

test('stays where it is on a phone while its numbers come', async ({ page }) => {
  const { source, target } = await openPair(page);
  await page.setViewportSize({ width: 360, height: 800 });
  await page.addInitScript(() => {
    Object.assign(globalThis, { shifted: 0 });
    const seen = globalThis as unknown as { shifted: number };
    const add = (list: PerformanceObserverEntryList): void => list.getEntries().forEach((entry) => (seen.shifted += (entry as unknown as { value: number }).value));
    new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto(`/pair/${source}/${target}`);
  await chartDrawn(page);
  await hoursShown(page);
  expect(await page.evaluate(() => (globalThis as unknown as { shifted: number }).shifted)).toBeLessThan(0.005);
});

test('answers an unknown address with a page', async ({ page }) => {
  await page.goto('/no/such/page');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('No such page');
});
