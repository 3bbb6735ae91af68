/** What the tests know about the pages. */

import { expect, type Locator, type Page } from '@playwright/test';

/** The matrix must have numbers soon after the start of the server. */
const FILL_MS = 30_000;
/** A chart needs a window that has data; the first comes with the first samples. */
const CHART_MS = 60_000;

export const SCHEMES = ['light', 'dark'] as const;
export const WIDTHS = [1440, 768, 390] as const;

/** Cells of the grid that hold a number. */
export function numbers(page: Page): Locator {
  return page.getByRole('gridcell').filter({ hasText: /^\s*\d+(\.\d)?\s*$/ });
}

/** Rows of the list that hold a number. */
export function listNumbers(page: Page): Locator {
  return page.locator('td.value').filter({ hasText: /^\s*\d+(\.\d)?\s*$/ });
}

/** Opens the matrix and waits until more than `least` cells hold numbers. */
export async function openMatrix(page: Page, address = '/', least = 100): Promise<void> {
  await page.goto(address);
  await expect.poll(() => numbers(page).count(), { timeout: FILL_MS }).toBeGreaterThan(least);
}

/** Opens the list that narrow screens get and waits until it has numbers. */
export async function openList(page: Page, address = '/'): Promise<void> {
  await page.goto(address);
  await expect.poll(() => listNumbers(page).count(), { timeout: FILL_MS }).toBeGreaterThan(5);
}

/** By how much what a locator shows is wider than its room, px. */
export function hiddenWidth(locator: Locator): Promise<number> {
  return locator.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
}

/** Source and target of some pair that the server measures. */
export async function somePair(page: Page): Promise<{ source: string; target: string }> {
  const response = await page.request.get('/api/v1/matrix');
  expect(response.ok()).toBe(true);
  const { cells } = (await response.json()) as { cells: { source: string; target: string; rtt_ms: number | null }[] };
  const cell = cells.find(({ source, target, rtt_ms }) => source !== target && rtt_ms !== null);
  if (cell === undefined) throw new Error('the server has measured no pair yet');
  return cell;
}

/** Waits until the chart of the pair page holds at least one window. */
export async function chartDrawn(page: Page): Promise<Locator> {
  const chart = page.getByTestId('chart');
  await expect.poll(async () => Number(await chart.getAttribute('data-points')), { timeout: CHART_MS }).toBeGreaterThan(0);
  return chart;
}

/** Waits for the heat map of the week's hours, whose question to the archive takes its time beside two browsers. */
export async function hoursShown(page: Page): Promise<Locator> {
  const grid = page.getByRole('grid', { name: /hour of the week/ });
  await expect(grid).toBeVisible({ timeout: FILL_MS });
  return grid;
}

/** Opens the page of a pair and waits for its figures and its chart. */
export async function openPair(page: Page): Promise<{ source: string; target: string }> {
  // The list of pairs fills within seconds of the server's start.
  let pair = { source: '', target: '' };
  await expect(async () => (pair = await somePair(page))).toPass({ timeout: FILL_MS });
  await page.goto(`/pair/${pair.source}/${pair.target}`);
  await expect(page.getByRole('heading', { level: 1 })).toContainText(pair.source);
  await expect(page.getByRole('region', { name: 'Last 5 min' })).toContainText(/\d ms/);
  await chartDrawn(page);
  return pair;
}
