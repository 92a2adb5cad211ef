// JSON values as a Python pickle, protocol 2, for workers that read nothing else. Only written, never read, and only what
// builds plain values: no class, no call, no memo.

import { refusal } from "./refusal.ts";

const codes = {
  protocol2: Buffer.from([0x80, 2]),
  stop: Buffer.from("."),
  none: Buffer.from("N"),
  true: Buffer.from([0x88]),
  false: Buffer.from([0x89]),
  mark: Buffer.from("("),
  tuple: Buffer.from("t"),
  emptyList: Buffer.from("]"),
  appends: Buffer.from("e"),
  emptyDict: Buffer.from("}"),
  setItems: Buffer.from("u"),
};

/** A list that Python is to have as a tuple. */
export class Tuple {
  readonly items: readonly unknown[];

  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** `value` is JSON, with a Tuple where one is wanted. Numbers become what their JSON is to Python. Throws BeatError for half of a surrogate pair. */
export function pythonPickle(value: unknown): Buffer {
  const parts: Buffer[] = [codes.protocol2];
  write(value, parts);
  parts.push(codes.stop);
  return Buffer.concat(parts);
}

function write(value: unknown, parts: Buffer[]): void {
  if (value === null || value === undefined) parts.push(codes.none);
  else if (typeof value === "boolean") parts.push(value ? codes.true : codes.false);
  else if (typeof value === "number") parts.push(numberOf(value));
  else if (typeof value === "string") parts.push(textOf(value));
  else if (value instanceof Tuple) {
    parts.push(codes.mark);
    for (const item of value.items) write(item, parts);
    parts.push(codes.tuple);
  } else if (Array.isArray(value)) {
    parts.push(codes.emptyList, codes.mark);
    for (const item of value) write(item, parts);
    parts.push(codes.appends);
  } else {
    parts.push(codes.emptyDict, codes.mark);
    for (const [key, item] of Object.entries(value)) {
      parts.push(textOf(key));
      write(item, parts);
    }
    parts.push(codes.setItems);
  }
}

const int32Limit = 2 ** 31;
/** From here on JavaScript writes numbers with an exponent, which makes them floats to Python. */
const exponentFrom = 1e21;

function numberOf(value: number): Buffer {
  if (!Number.isInteger(value) || Math.abs(value) >= exponentFrom) {
    const code = Buffer.alloc(9, "G");
    code.writeDoubleBE(value, 1);
    return code;
  }
  // Larger ones in the digits that JSON has for them.
  if (value < -int32Limit || value >= int32Limit) return Buffer.from(`I${value}\n`);
  const code = Buffer.alloc(5, "J");
  code.writeInt32LE(value, 1);
  return code;
}

function textOf(text: string): Buffer {
  if (!text.isWellFormed()) {
    throw refusal(
      "half of a surrogate pair has no form in pickle; workers would lose the message",
      "options.serializer",
      "Mend the text, or choose json.",
    );
  }
  const bytes = Buffer.from(text);
  const code = Buffer.alloc(5, "X");
  code.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([code, bytes]);
}
