// POSTs JSON to a URL that an operator gave. The name is resolved once, and the connection goes to the address that was
// checked: addresses of this machine and of private networks only where that is allowed. Redirects are not followed.

import { createHmac } from "node:crypto";
import { type LookupAddress, lookup } from "node:dns";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { BeatError, reasonOf } from "../core/errors.ts";

export interface Webhook {
  readonly url: URL;
  readonly body: string;
  readonly signal: AbortSignal;
  /** Whether addresses of this machine and of private networks may be asked. */
  readonly allowPrivate: boolean;
  /** Signs the time and the body: `Beat-Signature: t=SECONDS,v1=HEX`, HMAC-SHA256 of `SECONDS.BODY`. */
  readonly secret?: string | undefined;
  /** Wall clock, epoch ms. */
  readonly now: number;
}

/** Resolves when the other side answered with 2xx; rejects with BeatError otherwise. */
export async function postJson(hook: Webhook): Promise<void> {
  const { url, body, signal, secret, now } = hook;
  const time = Math.floor(now / 1_000);
  const signature = secret && createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
  const lookup = hook.allowPrivate ? undefined : publicOnly;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (lookup !== undefined && isIP(host) !== 0 && isPrivate(host)) throw privateAddress(host, host);
  const status = await new Promise<number>((resolve, reject) => {
    const ask = url.protocol === "https:" ? httpsRequest : httpRequest;
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...(signature && { "beat-signature": `t=${time},v1=${signature}` }),
    };
    ask(url, { method: "POST", headers, signal, ...(lookup && { lookup }) }, (answer: IncomingMessage) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    })
      .on("error", reject)
      .end(body);
  }).catch((error) => {
    throw error instanceof BeatError ? error : new BeatError(`${url.host} was not reached: ${reasonOf(error)}`);
  });
  if (status < 200 || status > 299) throw new BeatError(`${url.host} answered with ${status}`);
}

const notPublic = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const)
  notPublic.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of [
  ["::", 96],
  ["64:ff9b::", 96],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const)
  notPublic.addSubnet(network, prefix, "ipv6");

/** Loopback, private, link-local (cloud metadata), multicast, and IPv6 forms of IPv4 addresses of that kind. */
export function isPrivate(address: string): boolean {
  return notPublic.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

const publicOnly: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
    const refused = error ? undefined : found.find(({ address }) => isPrivate(address));
    if (error || refused) callback(error ?? privateAddress(hostname, refused!.address), "", 0);
    else if (options.all) callback(null, found);
    else callback(null, found[0]!.address, found[0]!.family);
  });
};

function privateAddress(name: string, address: string): BeatError {
  const what = name === address ? address : `${name} (${address})`;
  return new BeatError(`${what} is an address of this machine or of a private network`, {
    remedy: "Allow it with --allow-private-addresses.",
  });
}
