import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { chartDrawn, SCHEMES, somePair } from './pages';

async function faults(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
}

test('a number in a frame says what it is of', async ({ page }) => {
  const { source, target } = await somePair(page);
  await page.goto(`/embed/number/${source}/${target}?percentile=p90&window=1h`);
  await expect(page.getByTestId('number')).toHaveText(/\d ms/);
  await expect(page.getByText(/p90 of the last hour, [\d,]+ samples/)).toBeVisible();
  await expect(page.getByTestId('simulated')).toBeVisible();
  await expect(page.getByRole('link', { name: 'cloudping' })).toHaveAttribute('href', `/pair/${source}/${target}`);
  // Nothing of the site around it.
  await expect(page.getByRole('navigation')).toHaveCount(0);
});

test('a chart in a frame has its table', async ({ page }) => {
  const { source, target } = await somePair(page);
  await page.setViewportSize({ width: 760, height: 460 });
  await page.goto(`/embed/pair/${source}/${target}?range=15m`);
  await chartDrawn(page);
  expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeLessThanOrEqual(460);
  await page.getByText('The numbers behind this chart').click();
  await expect(page.getByRole('region', { name: 'Numbers behind the chart' })).toBeVisible();
});

test('a matrix in a frame has the regions that were asked for', async ({ page }) => {
  const { source, target } = await somePair(page);
  await page.goto(`/embed/matrix?regions=${source},${target}`);
  await expect(page.getByRole('rowheader')).toHaveText([source, target]);
  await expect(page.getByRole('link', { name: new RegExp(`^${source} to ${target}: `) })).toBeVisible();
});

test('a matrix in a frame says which regions there are not', async ({ page }) => {
  const { source } = await somePair(page);
  await page.goto(`/embed/matrix?regions=${source},nowhere`);
  await expect(page.getByText('Not in the catalogue: nowhere')).toBeVisible();
});

test('a frame that there is not says so', async ({ page }) => {
  await page.goto('/embed/globe/a/b');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Nothing to embed here');
});

for (const theme of SCHEMES) {
  test(`a frame is ${theme} where its address says so`, async ({ page }) => {
    const { source, target } = await somePair(page);
    await page.emulateMedia({ colorScheme: theme === 'dark' ? 'light' : 'dark' });
    await page.goto(`/embed/number/${source}/${target}?theme=${theme}`);
    await expect(page.getByTestId('number')).toHaveText(/\d ms/);
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [red = 0] = (/\d+/.exec(background) ?? []).map(Number);
    expect(red > 128).toBe(theme === 'light');
    expect(await faults(page)).toEqual([]);
  });
}

test('a frame is made, kept in the address, and seen', async ({ page }) => {
  await page.goto('/share');
  const preview = page.getByTestId('preview');
  await expect(preview).toHaveAttribute('src', /^\/embed\/number\//);
  await page.getByRole('radio', { name: 'p99' }).check({ force: true });
  await page.getByRole('radio', { name: 'Dark' }).check({ force: true });
  await expect(page).toHaveURL(/percentile=p99&theme=dark/);
  await expect(preview).toHaveAttribute('src', /percentile=p99&theme=dark/);
  await expect(page.frameLocator('[data-testid="preview"]').getByTestId('number')).toHaveText(/\d ms/);
  await expect(page.getByTestId('code')).toContainText('<iframe src="http');
  await page.reload();
  await expect(page.getByRole('radio', { name: 'Dark' })).toBeChecked();
});

test('regions of a matrix are added and taken away', async ({ page }) => {
  await page.goto('/share?kind=matrix');
  const list = page.getByRole('list', { name: 'Regions' }).getByRole('listitem');
  await expect(list).toHaveCount(3);
  const add = page.getByLabel('Add a region');
  const other = (await add.locator('optgroup option').first().getAttribute('value')) ?? '';
  await add.selectOption(other);
  await expect(list).toHaveCount(4);
  await expect(add).toHaveValue('');
  await expect(page).toHaveURL(new RegExp(`regions=.*${other}`));
  await page.getByRole('button', { name: `Remove ${other}` }).click();
  await expect(list).toHaveCount(3);
});

test('a badge is a picture with its code', async ({ page }) => {
  await page.goto('/share?kind=badge&percentile=p99');
  const badge = page.getByTestId('badge');
  await expect.poll(() => badge.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(50);
  await expect(page.getByTestId('code').first()).toContainText('.svg?percentile=p99)](http');
});
