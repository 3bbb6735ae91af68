/** A frame may have to look like the page around it and not like the reader's system: what asks for the one is made to follow the other. */

import type { Theme } from './address';

/** What a media rule is to ask instead; null for one that does not ask for the scheme. */
export function forcedMedia(media: string, theme: Exclude<Theme, 'auto'>): string | null {
  const asked = /^\(prefers-color-scheme:\s*(light|dark)\)$/.exec(media.trim());
  if (asked === null) return null;
  return asked[1] === theme ? 'all' : 'not all';
}

/** Gives the whole document a scheme. Returns the function that gives it back to the system. */
export function applyTheme(theme: Theme): () => void {
  if (theme === 'auto') return () => undefined;
  const undo: (() => void)[] = [];
  for (const sheet of [...document.styleSheets, ...document.adoptedStyleSheets]) {
    for (const rule of sheet.cssRules) {
      if (!(rule instanceof CSSMediaRule)) continue;
      const before = rule.media.mediaText;
      const after = forcedMedia(before, theme);
      if (after === null) continue;
      rule.media.mediaText = after;
      undo.push(() => (rule.media.mediaText = before));
    }
  }
  document.documentElement.style.colorScheme = theme;
  return () => {
    document.documentElement.style.colorScheme = '';
    for (const restore of undo) restore();
  };
}
