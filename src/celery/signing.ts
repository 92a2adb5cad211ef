// Celery's signed messages, the serializer `auth` of its `setup_security`: JSON with an RSA signature beside it, and with who
// made that. Only the body is signed: task name, id and times are headers, and anybody who may write to the queue can change them.

import { constants, createPrivateKey, type KeyObject, sign as signBytes, X509Certificate } from "node:crypto";
import { BeatError, reasonOf } from "../core/errors.ts";
import type { Instant } from "../core/time.ts";

/** A serialized body, signed: the content of a message of type `application/data`. */
export type Sign = (json: Buffer) => Buffer;

export interface Signer {
  readonly sign: Sign;
  /** From when on workers refuse what it signs: its certificate is over. */
  readonly validUntil: Instant;
}

export interface SigningOptions {
  /** PEM. */
  readonly key: string | Buffer;
  readonly keyPassword?: string | undefined;
  /** PEM; the workers have it in their certificate store. */
  readonly certificate: string | Buffer;
  /** The workers' `security_digest`. Default: theirs, sha256. */
  readonly digest?: "sha224" | "sha256" | "sha384" | "sha512" | undefined;
  /** `legacy`: as Celery 5.3 and earlier write and read it; 5.4 can do neither. Default: current. */
  readonly layout?: "current" | "legacy" | undefined;
}

/** Throws BeatError for a key or certificate that Celery could not use. */
export function signerOf({ digest = "sha256", layout = "current", ...written }: SigningOptions): Signer {
  const certificate = parsed("certificate", () => new X509Certificate(written.certificate));
  const key = parsed("key", () => createPrivateKey({ key: written.key, passphrase: written.keyPassword }));
  if (key.asymmetricKeyType !== "rsa")
    throw new BeatError(`the key that signs messages is an ${key.asymmetricKeyType} key`, {
      remedy: "Celery signs with RSA keys only.",
    });
  if (!certificate.checkPrivateKey(key))
    throw new BeatError("the key that signs messages does not belong to the certificate", {
      remedy: "Give the two files of one pair.",
    });
  const signer = Buffer.from(signerId(certificate));
  return {
    validUntil: certificate.validToDate.getTime(),
    sign(json) {
      const signature = signatureOf(json, key, digest);
      const [who, proof] = layout === "legacy" ? [signer, signature] : [base64(signer), base64(signature)];
      return base64(joined([who, proof, Buffer.from("application/json"), Buffer.from("utf-8"), json]));
    },
  };
}

function signatureOf(bytes: Buffer, key: KeyObject, digest: string): Buffer {
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return signBytes(digest, bytes, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN });
}

/** By which workers find the certificate: the values of its issuer and its serial number. */
function signerId({ issuer, serialNumber }: X509Certificate): string {
  const values = issuer.split("\n").map((line) => unescaped(line.slice(line.indexOf("=") + 1)));
  return [...values, BigInt(`0x${serialNumber}`)].join(" ");
}

/** As RFC 2253 writes special characters. */
function unescaped(text: string): string {
  return text.replace(/\\([0-9A-F]{2}|.)/g, (_, escaped: string) =>
    escaped.length === 2 ? String.fromCharCode(Number.parseInt(escaped, 16)) : escaped,
  );
}

const separator = Buffer.from([0, 1]);

function joined(fields: readonly Buffer[]): Buffer {
  return Buffer.concat(fields.flatMap((field, index) => (index === 0 ? [field] : [separator, field])));
}

function base64(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString("base64"));
}

function parsed<Result>(what: string, parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    throw new BeatError(`the ${what} that signs messages can't be read: ${reasonOf(error)}`, {
      remedy: `Give a ${what} in PEM format${what === "key" ? ", and its password if it has one" : ""}.`,
      cause: error,
    });
  }
}
