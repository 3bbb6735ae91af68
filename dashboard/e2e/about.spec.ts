import { expect, test } from '@playwright/test';

test('says how it is measured, what the marks mean and under which licence', async ({ page }) => {
  await page.goto('/about');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('About');
  for (const title of ['What a number is', 'Loss', 'Percentiles and their counts', 'The marks of the matrix', 'Licence']) {
    await expect(page.getByRole('heading', { level: 2, name: title })).toBeVisible();
  }
  await expect(page.getByRole('link', { name: 'CC BY 4.0' })).toBeVisible();
});

test('tells the error that the audit found here, or that there is none yet', async ({ page }) => {
  await page.goto('/about');
  await expect(page.getByTestId('audit')).toContainText(/recounted here/);
});

test('offers the audit again when it cannot be had', async ({ page, context }) => {
  await context.route('**/api/v1/audit', (route) => route.abort());
  await page.goto('/about');
  await expect(page.getByTestId('audit')).toContainText('could not be asked for');
  await context.unroute('**/api/v1/audit');
  await page.getByRole('button', { name: 'Retry' }).click();
  await expect(page.getByTestId('audit')).toContainText(/recounted here/);
});

test('leads to a section', async ({ page }) => {
  await page.goto('/about');
  await page.getByRole('navigation', { name: 'On this page' }).getByRole('link', { name: 'Licence' }).click();
  await expect(page).toHaveURL(/\/about#licence$/);
  await expect(page.getByRole('heading', { level: 2, name: 'Licence' })).toBeInViewport();
});
