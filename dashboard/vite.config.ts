import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { land } from './vite.land.ts';

// The API is served by the same origin in production; `npm run dev` forwards to a running server.
const api = process.env['CLOUDPING_URL'] ?? 'http://127.0.0.1:8080';

// Few files, for code that is alike packs better together; but no page brings much that only others need. A file has what its
// modules import too, unless one further up has it already.
const FILES = [
  { name: 'index', tags: ['$initial' as const] },
  { name: 'chart', test: /\/node_modules\/uplot\// },
  { name: 'common', test: /\/src\/(api|components(?!\/map)|lib|state)\// },
  { name: 'embed', test: /\/src\/pages\/embed\// },
  { name: 'matrix', test: /\/src\/pages\/matrix\// },
  { name: 'world', test: /\/src\/pages\/(map|region)\// },
  { name: 'pair', test: /\/src\/pages\/pair\// },
  { name: 'more', test: /\/src\/pages\// },
];

export default defineConfig({
  plugins: [svelte({ configFile: false }), land()],
  build: {
    target: 'es2022',
    // A strict Content-Security-Policy allows no data: URLs, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    rolldownOptions: { output: { codeSplitting: { groups: FILES.map((file, index) => ({ ...file, priority: FILES.length - index })) } } },
  },
  server: { proxy: { '/api': api, '/healthz': api } },
  test: { include: ['src/**/*.test.ts'] },
});
