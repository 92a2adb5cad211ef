// A small HTTP server for those who watch Beat: it is asked and changes nothing, so it knows GET and HEAD and a few paths. On
// a loopback address it answers only to loopback names, so that no web page reads it through a name of its own.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, BlockList, isIP } from "node:net";
import { BeatError, reasonOf, UsageError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import type { Log } from "../core/ports.ts";
import { secondMs } from "../core/time.ts";

export interface Address {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** By path. What one rejects with is answered with 500, and masked. */
export type Routes = Readonly<Record<string, () => Promise<Answer>>>;

/** A flood of those who ask takes no more descriptors than these. */
const connectionsAtMost = 64;

/** `9464`, `127.0.0.1:9464`, `localhost:9464` or `[::1]:9464`; loopback where only a port is given. Throws UsageError. */
export function parseAddress(name: string, text: string | number): Address {
  const [, inBrackets, host = inBrackets ?? "127.0.0.1", port] =
    /^(?:\[([^\]]+)\]:|([^:[\]/@\s]+):)?(\d{1,5})$/.exec(String(text).trim()) ?? [];
  if (port === undefined || Number(port) > 65_535)
    throw new UsageError(`${name}: ${JSON.stringify(text)} is not an address to listen on`, {
      remedy: "Write it like 9464, 127.0.0.1:9464 or [::1]:9464.",
    });
  return { host, port: Number(port) };
}

export function json(status: number, value: unknown): Answer {
  return { status, type: "application/json; charset=utf-8", body: `${JSON.stringify(value)}\n` };
}

export class Endpoint {
  readonly #address: Address;
  readonly #routes: Routes;
  readonly #log: Log;
  #server: Server | undefined;

  constructor(address: Address, routes: Routes, log: Log) {
    this.#address = address;
    this.#routes = routes;
    this.#log = log;
  }

  /** Listens. Rejects with BeatError where it can't. Returns its URL. */
  async open(): Promise<string> {
    const { host, port } = this.#address;
    const server = createServer({ requestTimeout: 10 * secondMs, headersTimeout: 5 * secondMs }, (request, response) =>
      this.#respond(request, response),
    );
    server.maxConnections = connectionsAtMost;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(this.#address, error)));
      server.listen({ host, port }, resolve);
    });
    server.removeAllListeners("error").on("error", (error) => this.#log.error(`The metrics: ${reasonOf(error)}`));
    this.#server = server;
    const { address, port: given } = server.address() as AddressInfo;
    return `http://${authority(address, given)}`;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    this.#answer(request)
      .catch((error) => json(500, { error: maskUrl(reasonOf(error)) }))
      .then(({ status, type, body }) => {
        response.writeHead(status, {
          "content-type": type,
          "content-length": Buffer.byteLength(body),
          "cache-control": "no-store",
          "x-content-type-options": "nosniff",
          ...(status === 405 && { allow: "GET, HEAD" }),
        });
        response.end(request.method === "HEAD" ? undefined : body);
      });
  }

  async #answer({ method, url = "/", headers, socket }: IncomingMessage): Promise<Answer> {
    if (isLoopback(socket.localAddress ?? "") && !isLoopback(nameIn(headers.host ?? "")))
      return json(403, { error: "this address is asked by loopback names only" });
    const path = url.split("?")[0]!;
    const route = Object.hasOwn(this.#routes, path) ? this.#routes[path] : undefined;
    if (route === undefined) return json(404, { error: "there is nothing here", paths: Object.keys(this.#routes) });
    if (method !== "GET" && method !== "HEAD") return json(405, { error: "only GET and HEAD" });
    return route();
  }
}

/** The name in `name:port`. */
function nameIn(host: string): string {
  return host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function isLoopback(name: string): boolean {
  const version = isIP(name);
  return version === 0 ? name.toLowerCase() === "localhost" : loopback.check(name, version === 6 ? "ipv6" : "ipv4");
}

function authority(host: string, port: number): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

function cannotListen({ host, port }: Address, error: NodeJS.ErrnoException): BeatError {
  const where = authority(host, port);
  return error.code === "EADDRINUSE"
    ? new BeatError(`metrics: something else listens on ${where} already`, {
        remedy: "Give another port, or end what listens there.",
      })
    : new BeatError(`metrics: ${where} can't be listened on: ${reasonOf(error)}`, {
        remedy: "Give an address of this machine and a port that this user may take.",
      });
}
