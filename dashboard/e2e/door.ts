/** A door before the server under test that can be shut: connections break off then, and new ones are refused, as when a server is gone. */

import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

export class Door {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #port = 0;

  private constructor(server: URL) {
    const port = Number(server.port) || 80;
    this.#server = createServer((outer) => {
      const inner = connect(port, server.hostname);
      for (const [one, other] of [[outer, inner], [inner, outer]] as const) {
        this.#sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
  }

  /** An open door before a server. */
  static async before(server: URL): Promise<Door> {
    const door = new Door(server);
    await door.open();
    return door;
  }

  /** Where browsers knock. */
  get address(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** Opens it, at the same address as before. */
  async open(): Promise<void> {
    await new Promise<void>((done, failed) => this.#server.once('error', failed).listen(this.#port, '127.0.0.1', done));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Shuts it, and breaks off what goes through it. */
  async close(): Promise<void> {
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
