// A TCP proxy that fails on demand: it stands between Beat and a server in the tests of broken networks.

import { connect, createServer, type Server, type Socket } from "node:net";

export class TcpProxy {
  readonly #target: number;
  readonly #pairs = new Map<Socket, Socket>();
  #server: Server | undefined;
  #silent = false;
  port = 0;

  private constructor(target: number) {
    this.#target = target;
  }

  /** Listens on a free port of 127.0.0.1 and passes on to `target` there. */
  static async to(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await proxy.restore();
    return proxy;
  }

  /** Resets every connection and refuses new ones. */
  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const [client, upstream] of this.#pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  }

  /** Passes nothing on any more over the connections that there are, and answers nothing: packets are lost. */
  blackhole(): void {
    for (const [client, upstream] of this.#pairs) {
      client.pause();
      upstream.pause();
    }
  }

  /** Accepts connections and says nothing. */
  set silent(silent: boolean) {
    this.#silent = silent;
  }

  /** Accepts connections again, on the same port. */
  async restore(): Promise<void> {
    const server = createServer((client) => this.#join(client));
    this.#server = server;
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(this.port, "127.0.0.1", resolve));
    this.port = (server.address() as { port: number }).port;
  }

  #join(client: Socket): void {
    const upstream = connect(this.#target, "127.0.0.1");
    this.#pairs.set(client, upstream);
    const end = () => {
      this.#pairs.delete(client);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on("error", end).on("close", end);
    if (this.#silent) return;
    client.pipe(upstream).pipe(client);
  }
}
