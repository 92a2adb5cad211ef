// The container .xz, which is what Python's lzma writes and reads.

import { crc32 } from "node:zlib";
import { lzma2 } from "./lzma2.ts";

/** Each block is checked by CRC-32. */
const flags = Buffer.from([0, 1]);
/** One filter, LZMA2, with a dictionary of 1 MiB: all that a message holds. */
const blockHeader = withCrc(Buffer.from([2, 0, 0x21, 1, 16, 0, 0, 0]));

export function xz(bytes: Uint8Array): Buffer {
  const packed = lzma2(bytes);
  const unpaddedSize = blockHeader.length + packed.length + 4;
  const index = withCrc(padded(Buffer.from([0, 1, ...varint(unpaddedSize), ...varint(bytes.length)])));
  const indexSize = uint32(index.length / 4 - 1);
  return Buffer.concat([
    Buffer.from("\xfd7zXZ\0", "latin1"),
    withCrc(flags),
    blockHeader,
    padded(packed),
    uint32(crc32(bytes)),
    index,
    uint32(crc32(Buffer.concat([indexSize, flags]))),
    indexSize,
    flags,
    Buffer.from("YZ"),
  ]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function withCrc(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, uint32(crc32(bytes))]);
}

/** To a multiple of four bytes. */
function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}

/** Seven bits a byte, the lowest first. */
function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
