/** Which clock times are written by: UTC, unless the reader wants their own. Kept in this browser, for it changes no number. */

export const ZONES = ['utc', 'local'] as const;
export type ZoneName = (typeof ZONES)[number];

const KEY = 'cloudping.zone';

function kept(): ZoneName {
  try {
    return localStorage.getItem(KEY) === 'local' ? 'local' : 'utc';
  } catch {
    // A browser that keeps nothing shows UTC.
    return 'utc';
  }
}

class Zone {
  name = $state<ZoneName>(kept());

  /** What `Intl` calls it, such as Europe/Berlin. */
  get timeZone(): string {
    return this.name === 'utc' ? 'UTC' : new Intl.DateTimeFormat().resolvedOptions().timeZone;
  }

  choose(name: ZoneName): void {
    this.name = name;
    try {
      localStorage.setItem(KEY, name);
    } catch {
      // It then holds until the page is closed.
    }
  }
}

export const zone = new Zone();
