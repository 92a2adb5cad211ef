// Which addresses a URL of a user may lead to. A name is looked up when the connection is made, and the connection goes to
// the address that was checked: a name that leads elsewhere a moment later gains nothing.

import { type LookupAddress, lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { BeatError } from "../core/errors.ts";

/** This machine, a private network, link-local: refused for good, whatever is tried. */
export class PrivateAddressError extends BeatError {
  constructor(name: string, address: string) {
    const what = name === address ? address : `${name} (${address})`;
    super(`${what} is an address of this machine or of a private network`, {
      remedy: "Allow it with --allow-private-addresses or, for an entry, `allow_private: true`.",
    });
  }
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
  ["64:ff9b:1::", 48],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const)
  notPublic.addSubnet(network, prefix, "ipv6");

/** Loopback, private, link-local (cloud metadata), multicast, and IPv6 forms of IPv4 addresses of that kind. */
export function isPrivate(address: string): boolean {
  return notPublic.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** An address in the URL itself is never looked up. Throws PrivateAddressError. */
export function refusePrivate({ hostname }: URL): void {
  const host = hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && isPrivate(host)) throw new PrivateAddressError(host, host);
}

/** As node:dns looks names up; fails with PrivateAddressError where one of the addresses is private. */
export const publicOnly: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
    const refused = error ? undefined : found.find(({ address }) => isPrivate(address));
    if (error || refused) callback(error ?? new PrivateAddressError(hostname, refused!.address), "", 0);
    else if (options.all) callback(null, found);
    else callback(null, found[0]!.address, found[0]!.family);
  });
};
