/** The server's clock as seen from here, so that ages are right on a machine whose clock is wrong. */

/** A `Date` header has whole seconds and a delay; less than this is no evidence of a wrong clock. */
const TOLERANCE_MS = 3_000;

export class ServerClock {
  #offset = 0;

  /** Takes in the `Date` header of an answer that arrived at `clientNow` (Unix ms). */
  observe(header: string | null, clientNow: number): void {
    const time = header === null ? Number.NaN : Date.parse(header);
    if (Number.isNaN(time)) return;
    const offset = time - clientNow;
    this.#offset = Math.abs(offset) < TOLERANCE_MS ? 0 : offset;
  }

  /** The server's time (Unix ms) when the client's is `clientNow`. */
  at(clientNow: number): number {
    return clientNow + this.#offset;
  }
}

/** The clock of the one server that this page talks to. */
export const serverClock = new ServerClock();
