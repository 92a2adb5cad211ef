// The id of an occurrence is derived, never drawn: a second send of the same occurrence is recognisable by anyone.

import { hash } from "node:crypto";
import { BeatError } from "./errors.ts";
import type { Instant } from "./time.ts";

let storeOfNamespace = "";
let namespace: Buffer = Buffer.alloc(0);

/**
 * UUID version 5 (RFC 9562: SHA-1 of namespace and name) in the namespace `storeId` of the name `<entryId>:<fireAt>`,
 * lower case, 36 characters. Throws BeatError where `storeId` is not a UUID.
 */
export function occurrenceId(storeId: string, entryId: number, fireAt: Instant): string {
  if (storeId !== storeOfNamespace) {
    namespace = namespaceBytes(storeId);
    storeOfNamespace = storeId;
  }
  const length = 16 + namespace.write(`${entryId}:${fireAt}`, 16, "latin1");
  return version5(hash("sha1", namespace.subarray(0, length), "hex"));
}

/** Where a UUID is written: joining its parts would leave a dozen strings behind, for each of thousands a second. */
const written = Buffer.alloc(36, "-");

/** The UUID version 5 that begins with a hash, written in hexadecimal digits. */
export function version5(hex: string): string {
  for (let digit = 0, place = 0; digit < 32; digit++, place++) {
    if (place === 8 || place === 13 || place === 18 || place === 23) place++;
    written[place] = hex.charCodeAt(digit);
  }
  written[14] = "5".charCodeAt(0);
  written[19] = "89ab".charCodeAt(Number.parseInt(hex[16]!, 16) & 3);
  return written.toString("latin1");
}

/** The 16 bytes of the store's UUID, with room behind them for the name (two numbers of at most 17 digits). */
function namespaceBytes(storeId: string): Buffer {
  const digits = storeId.replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/i.test(digits)) throw new BeatError(`${JSON.stringify(storeId)} is not the UUID of a store`);
  const bytes = Buffer.alloc(64);
  bytes.write(digits, "hex");
  return bytes;
}
