/** The catalogue of regions: asked for once, shared by all pages, asked for again while it is missing. */

import { getRegions } from '../api';
import { Atlas } from '../lib/places';

const RETRY_MS = 5_000;

class Catalogue {
  atlas = $state.raw(new Atlas({ simulated: false, regions: [], vantages: [] }));
  /** Every answer of the server says whether its numbers are simulated; whichever comes first is noted here. */
  simulated = $state(false);
  /** Whether it is there: until then nothing can be said of what it lacks. */
  loaded = $state(false);

  constructor() {
    void this.#load();
  }

  async #load(): Promise<void> {
    try {
      const regions = await getRegions();
      this.atlas = new Atlas(regions);
      this.loaded = true;
      this.simulated = regions.simulated;
    } catch {
      // The page works with bare ids meanwhile, and its own requests tell the user what is wrong.
      setTimeout(() => void this.#load(), RETRY_MS);
    }
  }
}

export const catalogue = new Catalogue();
