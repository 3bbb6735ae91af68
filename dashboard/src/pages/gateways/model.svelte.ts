/** What the gateways say, kept up to date, and what moved since the page was opened. */

import { get, timeOf, type Schemas } from '../../api';
import { Answer } from '../../state/answer.svelte';
import { catalogue } from '../../state/catalogue.svelte';
import { movesOf, settled, viewOf, type GatewayView, type Move, type Seen } from './gateways';

/** A fail-over takes about a second. */
const PERIOD_MS = 1_000;
/** Moves that are kept. */
const MOST = 200;

interface Present {
  asOf: number;
  views: readonly GatewayView[];
}

export class GatewaysModel {
  readonly present = new Answer<Present>();
  /** The newest first. */
  moves = $state.raw<readonly Move[]>([]);
  #before: readonly Seen[] = [];

  follow(): () => void {
    return this.present.follow(
      async (signal) => this.#take(await get('/api/v1/gateways', null, signal)),
      PERIOD_MS,
      ({ asOf }) => asOf,
    );
  }

  #take({ gateways, as_of, simulated }: Schemas['Gateways']): Present {
    catalogue.simulated = simulated;
    const asOf = timeOf(as_of);
    const before = new Map(this.#before.map((seen) => [seen.name, seen]));
    const now = gateways.map((seen) => settled(seen, before.get(seen.name)));
    const moved = movesOf(now, this.#before, asOf);
    if (moved.length > 0) this.moves = [...moved.reverse(), ...this.moves].slice(0, MOST);
    this.#before = now;
    return { asOf, views: now.map((seen) => viewOf(seen, before.get(seen.name))) };
  }
}
