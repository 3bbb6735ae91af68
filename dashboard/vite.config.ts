import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { land } from './vite.land.ts';

// The API is served by the same origin in production; `npm run dev` forwards to a running server.
const api = process.env['CLOUDPING_URL'] ?? 'http://127.0.0.1:8080';

const COMPONENTS = readdirSync(join(import.meta.dirname, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.svelte')).sort();

/** The class that keeps a component's style its own: its number, for it stands at every element and in every rule. */
function scopeOf({ filename, css, hash }: { filename: string | undefined; css: string; hash: (text: string) => string }): string {
  const index = COMPONENTS.findIndex((name) => join('src', name) === filename);
  // svelte-check tries the options on a component of its own.
  return index < 0 ? `s-${hash(css)}` : `s${index.toString(36)}`;
}

// Few files, for code that is alike packs better together; but no page brings much that only others need. A file has what its
// modules import too, unless one further up has it already.
const FILES = [
  { name: 'index', tags: ['$initial' as const] },
  { name: 'common', test: /\/src\/(api|components\/(?!map|plot)|lib|state|pages\/embed\/address)/ },
  { name: 'matrix', test: /\/src\/pages\/matrix\// },
  { name: 'charts', test: /\/src\/(components\/plot|pages\/(pair|embed|explore))\// },
  { name: 'world', test: /\/src\/(components\/map|pages\/(map|region))\// },
  { name: 'pages', test: /\/src\// },
];

export default defineConfig({
  // Runes everywhere: what components of before them need stays out. Trees pack better than HTML in strings.
  plugins: [svelte({ configFile: false, compilerOptions: { runes: true, fragments: 'tree', cssHash: scopeOf } }), land()],
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
