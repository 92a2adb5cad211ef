// Compressions by the names that Celery and kombu give them.

import { brotliCompressSync, deflateSync, zstdCompressSync } from "node:zlib";
import { bzip2 } from "./compression/bzip2.ts";
import { xz } from "./compression/xz.ts";
import { refusal } from "./refusal.ts";

export interface Compression {
  /** What every version of kombu knows it by; not all know each of the other names. */
  readonly header: string;
  readonly compress: (bytes: Buffer) => Buffer;
}

/** A "gzip" of Celery's is a zlib stream; its workers can't read gzip. */
const compressions = new Map<string, Compression>();
for (const [header, aliases, compress] of [
  ["application/x-gzip", ["gzip", "zlib"], deflateSync],
  ["application/x-bz2", ["bzip2", "bzip", "bz2"], bzip2],
  ["application/x-lzma", ["lzma", "xz"], xz],
  ["application/x-brotli", ["brotli"], brotliCompressSync],
  ["application/zstd", ["zstd", "zstandard"], zstdCompressSync],
] as const) {
  for (const name of [header, ...aliases]) compressions.set(name, { header, compress });
}

/** `field`: where the name stands in the entry. */
export function compressionOf(name: string, field: string): Compression {
  const found = compressions.get(name);
  if (found === undefined) {
    throw refusal(
      `${JSON.stringify(name)} is not a compression of Celery's; workers would lose the message`,
      field,
      "Choose zlib, bzip2, lzma, brotli or zstd.",
    );
  }
  return found;
}
