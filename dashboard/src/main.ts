import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { heatCss } from './lib/colour';
import { router } from './state/router.svelte';

// A constructed sheet, not a <style> element: a strict Content-Security-Policy allows it.
const heat = new CSSStyleSheet();
heat.replaceSync(heatCss());
document.adoptedStyleSheets = [...document.adoptedStyleSheets, heat];

router.listen();

const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');
mount(App, { target });
