// Compressions by the names that Celery and kombu give them.

import { createRequire } from "node:module";
import { extname } from "node:path";
import zlib from "node:zlib";
import { refusal } from "./refusal.ts";

type Compress = (bytes: Buffer) => Buffer;

export interface Compression {
  /** What every version of kombu knows it by; not all know each of the other names. */
  readonly header: string;
  readonly compress: Compress;
}

/** Most need neither of these, so they are loaded with the first message that does; by `require`, since it waits for nothing. */
const load = createRequire(import.meta.url);
/** In a clone .ts, in the package .js. */
const extension = extname(import.meta.filename);
const bzip2: Compress = (bytes) =>
  (load(`./compression/bzip2${extension}`) as typeof import("./compression/bzip2.ts")).bzip2(bytes);
const xz: Compress = (bytes) =>
  (load(`./compression/xz${extension}`) as typeof import("./compression/xz.ts")).xz(bytes);

/** A "gzip" of Celery's is a zlib stream; its workers can't read gzip. */
const compressions = new Map<string, Compression>();
for (const [header, aliases, compress] of [
  ["application/x-gzip", ["gzip", "zlib"], zlib.deflateSync],
  ["application/x-bz2", ["bzip2", "bzip", "bz2"], bzip2],
  ["application/x-lzma", ["lzma", "xz"], xz],
  ["application/x-brotli", ["brotli"], zlib.brotliCompressSync],
  ["application/zstd", ["zstd", "zstandard"], zlib.zstdCompressSync],
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
