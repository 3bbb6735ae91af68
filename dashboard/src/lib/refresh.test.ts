import { expect, it } from 'vitest';
import { WINDOWS } from '../api';
import { refreshOf } from './refresh';

it('asks the less often the longer the window, and again for what failed of the past', () => {
  const periods = WINDOWS.map((window) => refreshOf(window, null));
  expect(periods).toEqual([...periods].sort((one, other) => one - other));
  for (const window of WINDOWS) expect(refreshOf(window, 0)).toBe(refreshOf('5m', 0));
});
