import { describe, expect, it } from 'vitest';
import { ServerClock } from './clock';

const NOW = Date.UTC(2026, 0, 1);

describe('the server clock', () => {
  it('is the client clock until an answer comes', () => expect(new ServerClock().at(NOW)).toBe(NOW));

  it('corrects a client that is an hour off', () => {
    const clock = new ServerClock();
    clock.observe(new Date(NOW).toUTCString(), NOW - 3_600_000);
    expect(clock.at(NOW - 3_600_000)).toBe(NOW);
  });

  it('takes the rounding of the header for no error', () => {
    const clock = new ServerClock();
    clock.observe(new Date(NOW).toUTCString(), NOW + 999);
    expect(clock.at(NOW + 999)).toBe(NOW + 999);
  });

  it('ignores a missing or broken header', () => {
    const clock = new ServerClock();
    clock.observe(null, NOW);
    clock.observe('yesterday', NOW);
    expect(clock.at(NOW)).toBe(NOW);
  });
});
