/** Every page: where it is, what it is called, and how its code is had. All but the first are loaded when they are first opened. */

import type { Component } from 'svelte';
import { partsOf, type Address } from './lib/address';

type PageComponent = Component<{ address: Address }>;

/** One page. */
export interface Page {
  /** The first part of its path; empty for the first page. */
  name: string;
  /** What the navigation calls it; null for one that is reached from others. */
  title: string | null;
  /** How many parts its path may have after its name. */
  parts: readonly number[];
  /** Without navigation and footer: for the frames of other sites. */
  bare?: boolean;
  /** Null for the first page, which comes with the program. */
  load: (() => Promise<{ default: PageComponent }>) | null;
}

export const PAGES: readonly Page[] = [
  { name: '', title: 'Matrix', parts: [0], load: null },
  { name: 'pair', title: null, parts: [2], load: () => import('./pages/pair/PairPage.svelte') },
  { name: 'region', title: 'Region', parts: [0, 1], load: () => import('./pages/region/RegionPage.svelte') },
  { name: 'map', title: 'Map', parts: [0], load: () => import('./pages/map/MapPage.svelte') },
  { name: 'compare', title: 'Compare', parts: [0], load: () => import('./pages/compare/ComparePage.svelte') },
  { name: 'changes', title: 'Changes', parts: [0], load: () => import('./pages/changes/ChangesPage.svelte') },
  { name: 'coverage', title: 'Coverage', parts: [0], load: () => import('./pages/coverage/CoveragePage.svelte') },
  { name: 'gateways', title: 'Gateways', parts: [0], load: () => import('./pages/gateways/GatewaysPage.svelte') },
  { name: 'explore', title: 'Explore', parts: [0], load: () => import('./pages/explore/ExplorePage.svelte') },
  { name: 'share', title: 'Share', parts: [0], load: () => import('./pages/share/SharePage.svelte') },
  { name: 'embed', title: null, parts: [1, 2, 3], bare: true, load: () => import('./pages/embed/EmbedPage.svelte') },
  { name: 'about', title: 'About', parts: [0], load: () => import('./pages/about/AboutPage.svelte') },
];

/** A page with the address that it is opened at; the page is null where there is none. */
export interface Route {
  page: Page | null;
  path: string;
  address: Address;
}

/** Reads an address. */
export function routeOf(path: string, search: string): Route {
  const [name = '', ...parts] = partsOf(path === '/index.html' ? '/' : path) ?? ['?'];
  const page = PAGES.find((page) => page.name === name && page.parts.includes(parts.length) && !parts.includes(''));
  return { page: page ?? null, path, address: { parts, params: new URLSearchParams(search) } };
}
