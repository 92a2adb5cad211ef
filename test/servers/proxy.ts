// A TCP proxy that fails on demand: it stands between Beat and a server in the tests of broken networks.

import { connect, createServer, type Server, type Socket } from "node:net";
import { Transform } from "node:stream";

export class TcpProxy {
  readonly #target: number;
  readonly #pairs = new Map<Socket, Socket>();
  readonly #stalled = new Set<Socket>();
  readonly #lost = new Set<Socket>();
  #server: Server | undefined;
  #silent = false;
  #isStalling = false;
  port = 0;
  /** Each piece that passes on either way waits so long. */
  delayMs = 0;
  /** How much passes at most on either way of a connection; 0: no limit. */
  bytesPerSecond = 0;

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
    const closed = new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
    this.reset();
    await closed;
  }

  /** Resets every connection that there is. */
  reset(): void {
    this.#isStalling = false;
    for (const [client, upstream] of this.#pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  }

  /** Passes nothing on any more over the connections that there are, and answers nothing: packets are lost. */
  blackhole(): void {
    for (const [client, upstream] of this.#pairs) {
      this.#lost.add(client);
      hold(client, upstream);
    }
  }

  /** Passes nothing on for the time being; what is said meanwhile, over new connections too, waits for `flow`. */
  stall(): void {
    this.#isStalling = true;
    for (const [client, upstream] of this.#pairs) {
      hold(client, upstream);
      if (!this.#lost.has(client)) this.#stalled.add(client);
    }
  }

  /** After a stall: everything that waited arrives, in order. */
  flow(): void {
    this.#isStalling = false;
    for (const [client, upstream] of this.#pairs) if (this.#stalled.delete(client)) this.#pass(client, upstream);
    this.#stalled.clear();
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
    if (this.#isStalling) this.#stalled.add(client);
    else this.#pass(client, upstream);
  }

  #pass(client: Socket, upstream: Socket): void {
    client.pipe(this.#slowed()).pipe(upstream).pipe(this.#slowed()).pipe(client);
  }

  /** One piece after another: it waits for the delay, and for as long as its bytes take. */
  #slowed(): Transform {
    return new Transform({
      transform: (piece: Buffer, _, done) => {
        const bytesMs = this.bytesPerSecond === 0 ? 0 : (piece.length * 1_000) / this.bytesPerSecond;
        const waitMs = this.delayMs + bytesMs;
        if (waitMs === 0) done(null, piece);
        else setTimeout(done, waitMs, null, piece);
      },
    });
  }
}

function hold(...sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.unpipe().pause();
}
