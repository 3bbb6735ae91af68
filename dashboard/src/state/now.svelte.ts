/** The present as reactive state: one timer for every age on the page. */

import { serverClock } from '../lib/clock';

const TICK_MS = 1_000;

class Now {
  /** The server's time, Unix ms; advances once a second. */
  value = $state(serverClock.at(Date.now()));

  constructor() {
    setInterval(() => (this.value = serverClock.at(Date.now())), TICK_MS);
  }
}

export const now = new Now();
