import { defineConfig } from '@playwright/test';

// The server under test is started by the caller; `cloudping up --planet` is enough.
const baseURL = process.env['BASE_URL'];
if (baseURL === undefined || baseURL === '') {
  throw new Error('BASE_URL must name a running server in planet mode, for example BASE_URL=http://127.0.0.1:8080 npm run e2e');
}

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results/artifacts',
  timeout: 120_000,
  // All tests share one small server and one small machine. What waits for the weather mostly waits, so it goes first, beside the others.
  workers: 2,
  projects: [
    { name: 'weather', testMatch: 'weather.spec.ts' },
    { name: 'pages', testIgnore: 'weather.spec.ts' },
  ],
  forbidOnly: true,
  // A server, its network and two browsers share few cores: what fails once and then passes is named as flaky, what fails twice fails.
  retries: 1,
  reporter: [['list']],
  use: {
    baseURL,
    viewport: { width: 1440, height: 900 },
    actionTimeout: 15_000,
    // Tracing every test would take as much of the machine as the pages do.
    trace: 'on-first-retry',
    launchOptions: {
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
});
