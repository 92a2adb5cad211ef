// The key and the certificate with which messages of the serializer `auth` are signed: read once, at the start.

import { readFile, stat } from "node:fs/promises";
import { type Signer, type SigningOptions, signerOf } from "./celery/signing.ts";
import { reasonOf, UsageError } from "./core/errors.ts";
import type { Clock, Log } from "./core/ports.ts";

/** Celery's settings, each without its `security_`. */
export interface SecurityOptions extends Pick<SigningOptions, "keyPassword" | "digest" | "layout"> {
  /** A PEM file. */
  readonly key: string;
  /** A PEM file that the workers have in their certificate store. */
  readonly certificate: string;
}

/** Rejects with UsageError for files that can't sign, and with a certificate that is over. */
export async function readSigner(
  { key, certificate, ...options }: SecurityOptions,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Signer> {
  try {
    if (((await stat(key)).mode & 0o077) !== 0)
      log.warn(`Others can read the key that signs messages: chmod 600 ${key}`);
    const signer = signerOf({ ...options, key: await readFile(key), certificate: await readFile(certificate) });
    if (signer.validUntil <= clock.now())
      throw new Error(`the certificate ${certificate} expired at ${new Date(signer.validUntil).toISOString()}`);
    return signer;
  } catch (error) {
    throw new UsageError(`security: ${reasonOf(error)}`, { cause: error });
  }
}
