/**
 * Visits the matrix of a running server in Chromium, uses it with real mouse and keyboard events, and prints as JSON how soon things were
 * painted: `{first_contentful_paints, first_route, interactions: [{name, latencies}]}`, times in ms.
 *
 * A latency is from the moment of the input, as the browser stamps it, to after the frame that shows what it caused.
 *
 *     node bench/measure.mjs http://127.0.0.1:8080
 */

import { chromium } from 'playwright-core';

const [address] = process.argv.slice(2);
if (address === undefined) throw new Error('expected the address of a running server');

const VISITS = 5;
const TURNS = 20;
/** Between two inputs, as a quick hand makes them; live updates come in between. */
const PAUSE_MS = 120;
const FILLED_MS = 60_000;

const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update'],
});

/** Runs in the page: notes of every input how long it took until it was painted. */
function observe() {
  globalThis.noted = [];
  for (const type of ['pointermove', 'keydown', 'input', 'click']) {
    addEventListener(type, ({ timeStamp }) => {
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        // The frame has been made when its next task runs.
        port1.onmessage = () => globalThis.noted.push({ type, latency: performance.now() - timeStamp });
        port2.postMessage(null);
      });
    }, { capture: true, passive: true });
  }
}

/** A fresh visit: its first contentful paint, and what it loads. */
async function visit() {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${address}/`, { waitUntil: 'load' });
  const painted = await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  const paint = await painted.jsonValue();
  // What a page loads for its first view comes within moments; what is loaded for an interaction comes with that.
  await page.waitForTimeout(1_500);
  const loaded = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname));
  await context.close();
  return { paint, loaded: loaded.filter((path) => !path.startsWith('/api/')) };
}

/** The latencies of one kind of event while `act` is done again and again. */
async function latencies(page, type, act) {
  await page.evaluate(() => (globalThis.noted = []));
  for (let turn = 0; turn < TURNS; turn += 1) {
    await act(turn);
    await page.waitForTimeout(PAUSE_MS);
  }
  return page.evaluate((type) => globalThis.noted.filter((one) => one.type === type).map((one) => one.latency), type);
}

const visits = [];
for (let turn = 0; turn < VISITS; turn += 1) visits.push(await visit());

const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
await page.addInitScript(observe);
await page.goto(`${address}/`);
const stage = page.getByRole('application');
await stage.waitFor({ timeout: FILLED_MS });
await page.waitForTimeout(3_000);
const box = await stage.locator('canvas').boundingBox();
const search = page.getByRole('searchbox').first();

const interactions = [];
const note = async (name, type, act) => interactions.push({ name, latencies: await latencies(page, type, act) });
await note('hover', 'pointermove', (turn) => page.mouse.move(box.x + 30 + turn * 17, box.y + 30 + turn * 11));
await stage.focus();
await note('arrow key', 'keydown', (turn) => page.keyboard.press(turn % 2 === 0 ? 'ArrowRight' : 'ArrowDown'));
await note('choice of a measure', 'click', (turn) => page.getByRole('radio', { name: turn % 2 === 0 ? 'Loss' : 'RTT' }).check({ force: true }));
await search.focus();
await note('filter, letter by letter', 'input', (turn) => page.keyboard.press(turn % 4 < 2 ? 'e' : 'Backspace'));
await browser.close();

process.stdout.write(JSON.stringify({
  first_contentful_paints: visits.map(({ paint }) => paint),
  first_route: ['/', ...new Set(visits[0].loaded)],
  interactions,
}));
