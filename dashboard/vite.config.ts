import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { land } from './vite.land.ts';

// The API is served by the same origin in production; `npm run dev` forwards to a running server.
const api = process.env['CLOUDPING_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte({ configFile: false }), land()],
  build: {
    target: 'es2022',
    // A strict Content-Security-Policy allows no data: URLs, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { '/api': api, '/healthz': api } },
  test: { include: ['src/**/*.test.ts'] },
});
