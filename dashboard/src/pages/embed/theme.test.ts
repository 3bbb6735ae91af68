import { expect, it } from 'vitest';
import { forcedMedia } from './theme';

it('makes rules for a scheme follow the theme', () => {
  expect(forcedMedia('(prefers-color-scheme: dark)', 'dark')).toBe('all');
  expect(forcedMedia('(prefers-color-scheme: dark)', 'light')).toBe('not all');
  expect(forcedMedia('(prefers-color-scheme:light)', 'light')).toBe('all');
});

it('leaves other rules alone', () => {
  expect(forcedMedia('(max-width: 760px)', 'dark')).toBeNull();
  expect(forcedMedia('(prefers-reduced-motion: reduce)', 'dark')).toBeNull();
});
