import { expect, test, type Page } from '@playwright/test';

/** A service has no changes in its first 20 minutes, so the tests that need some bring them along. */
function change(minutesAgo: number, source: string, target: string, before: number, after: number) {
  const minute = new Date(Math.floor(Date.now() / 60_000 - minutesAgo) * 60_000).toISOString();
  const ended = { since: minute, until: minute, count: 1_000, p10_ms: before, p50_ms: before, p90_ms: before, p99_ms: before };
  return {
    source, target, protocol: 'tcp', family: 4, minute, found_at: minute,
    before_ms: before, after_ms: after, delta_ms: after - before, score: 4.2, ended,
  };
}

const KNOWN = [
  change(10, 'us-east-1', 'ap-south-1', 190, 220),
  change(1_500, 'eu-west-1', 'af-south-1', 162, 148),
  change(1_501, 'eu-west-1', 'us-east-1', 80, 80.6),
];

async function serve(page: Page, changes: unknown[]): Promise<void> {
  await page.route(/\/api\/v1\/changes\?/, (route) => route.fulfill({ json: { simulated: true, changes } }));
}

const rows = (page: Page) => page.locator('ol > li').filter({ hasText: '→' });

test('asks the service, and says what there is', async ({ page }) => {
  await page.goto('/changes');
  await expect(page.getByTestId('summary')).toHaveText(/steps? of \d|No step in the last 7 days/);
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
});

test('groups by day, and filters by size, direction and place, in the address', async ({ page }) => {
  await serve(page, KNOWN);
  await page.goto('/changes');
  await expect(rows(page)).toHaveCount(3);
  expect(await page.getByRole('heading', { level: 2 }).count()).toBeGreaterThanOrEqual(2);
  await expect(rows(page).first()).toContainText('+30.0 ms');
  await expect(rows(page).first()).toContainText('very clear 4.2');

  await page.getByRole('radio', { name: '1 ms' }).check({ force: true });
  await expect(rows(page)).toHaveCount(2);
  await page.getByRole('radio', { name: 'faster' }).check({ force: true });
  await expect(rows(page)).toHaveCount(1);
  await expect(page).toHaveURL(/least=1&direction=faster/);
  await page.reload();
  await expect(rows(page)).toHaveCount(1);
  await page.getByRole('combobox', { name: 'From' }).selectOption('us-east-1');
  await expect(page.getByTestId('summary')).toContainText('No step that the filters let through');
});

test('says whether the address changed, and filters by it', async ({ page }) => {
  const [first, second, third] = KNOWN;
  const moved = { ...first, before_address: '192.0.2.1', after_address: '2001:db8::1234:5678:9abc:def0' };
  const stayed = { ...second, before_address: '192.0.2.9', after_address: '192.0.2.9' };
  await page.setViewportSize({ width: 360, height: 800 });
  await serve(page, [moved, stayed, third]);
  await page.goto('/changes');
  await expect(rows(page).first()).toContainText('address changed 192.0.2.1 → 2001:db8::1234:5678:9abc:def0');
  await expect(rows(page).nth(1)).toContainText('same address');
  await expect(rows(page).nth(2)).not.toContainText('address');
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await page.getByRole('radio', { name: 'Changed' }).check({ force: true });
  await expect(rows(page)).toHaveCount(1);
  await expect(page).toHaveURL(/address=changed/);
  await page.reload();
  await expect(rows(page)).toHaveCount(1);
});

test('shows what the stream tells within a second', async ({ page }) => {
  await serve(page, KNOWN);
  let tell = (): void => undefined;
  const told = new Promise<void>((resolve) => (tell = resolve));
  await page.route('**/api/v1/stream**', async (route) => {
    await told;
    const data = JSON.stringify({ simulated: true, changes: [change(0, 'eu-north-1', 'sa-east-1', 200, 240)] });
    await route.fulfill({ contentType: 'text/event-stream', body: `event: change\ndata: ${data}\n\n` });
  });
  await page.goto('/changes');
  await expect(rows(page)).toHaveCount(3);
  tell();
  await expect(rows(page).first()).toContainText('eu-north-1 → sa-east-1', { timeout: 1_000 });
  await expect(rows(page).first()).toContainText('new');
  await expect(rows(page)).toHaveCount(4);
});

test('asks for a range of the past where the address has a moment', async ({ page }) => {
  const asked = page.waitForRequest(/\/api\/v1\/changes\?/);
  await page.goto('/changes?period=1d&at=2026-01-02T03:04:05Z');
  const query = new URL((await asked).url()).searchParams;
  expect(query.get('start')).toBe('2026-01-01T03:04:05.000Z');
  expect(query.get('end')).toBe('2026-01-02T03:04:05.000Z');
  await expect(page.getByText('as it is known today')).toBeVisible();
  await page.getByRole('link', { name: 'Show the present' }).click();
  await expect(page).toHaveURL(/\/changes\?period=1d$/);
});

test('has a feed with the same filters, and downloads', async ({ page }) => {
  await page.goto('/changes?source=us-east-1');
  const feed = '/api/v1/changes?source=us-east-1&format=atom';
  await expect(page.getByRole('link', { name: 'Atom feed' })).toHaveAttribute('href', feed);
  await expect(page.locator('link[rel=alternate][type="application/atom+xml"]')).toHaveAttribute('href', feed);
  const csv = await page.getByRole('link', { name: 'CSV' }).getAttribute('href');
  expect((await page.request.get(csv ?? '')).headers()['content-type']).toContain('text/csv');
});

test('leads to the pair', async ({ page }) => {
  await serve(page, KNOWN);
  await page.goto('/changes');
  await rows(page).first().getByRole('link').click();
  await expect(page).toHaveURL(/\/pair\/us-east-1\/ap-south-1$/);
});

test('leads from the past into the past', async ({ page }) => {
  await serve(page, [change(10, 'us-east-1', 'ap-south-1', 190, 220)]);
  const at = `${new Date(Math.floor(Date.now() / 60_000) * 60_000).toISOString().slice(0, 19)}Z`;
  await page.goto(`/changes?at=${at}`);
  await expect(rows(page).first().getByRole('link')).toHaveAttribute('href', `/pair/us-east-1/ap-south-1?at=${encodeURIComponent(at)}`);
});

test('keeps what it has when the service is gone', async ({ page, context }) => {
  await serve(page, KNOWN);
  await page.goto('/changes');
  await expect(rows(page)).toHaveCount(3);
  await page.unrouteAll();
  await context.route('**/api/**', (route) => route.abort());
  await page.getByRole('radio', { name: 'slower' }).check({ force: true });
  await expect(rows(page)).toHaveCount(2);
});

test('fits a screen of 360 px', async ({ page }) => {
  await serve(page, KNOWN);
  await page.setViewportSize({ width: 360, height: 800 });
  await page.goto('/changes');
  await expect(rows(page)).toHaveCount(3);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});
