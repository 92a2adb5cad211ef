// From the value of a message's body to its bytes: serializers by Celery's names, and compressions.

import { encode as encodeMsgpack } from "@msgpack/msgpack";
import { reasonOf } from "../core/errors.ts";
import type { TaskOptions } from "../core/target.ts";
import { compressionOf } from "./compression.ts";
import { pythonPickle } from "./pickle.ts";
import { pythonJson } from "./python.ts";
import { refusal } from "./refusal.ts";
import type { Sign } from "./signing.ts";
import { pythonYaml } from "./yaml.ts";

export interface Encoding {
  readonly contentType: string;
  readonly contentEncoding: string;
  /** The header `compression`. */
  readonly compression: string | undefined;
  /** Throws BeatError for what is too large, or what the serializer has no form for. */
  encode(body: unknown): Buffer;
}

interface Serializer {
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly serialize: (body: unknown) => Buffer;
}

const serializers: Readonly<Record<NonNullable<TaskOptions["serializer"]>, Serializer>> = {
  json: {
    contentType: "application/json",
    contentEncoding: "utf-8",
    serialize: (body) => Buffer.from(pythonJson(body)),
  },
  yaml: {
    contentType: "application/x-yaml",
    contentEncoding: "utf-8",
    serialize: (body) => Buffer.from(pythonYaml(body)),
  },
  msgpack: { contentType: "application/x-msgpack", contentEncoding: "binary", serialize: msgpack },
  pickle: { contentType: "application/x-python-serialize", contentEncoding: "binary", serialize: pythonPickle },
  auth: { contentType: "application/data", contentEncoding: "utf-8", serialize: unsigned },
};

const maxBodyBytes = 1_048_576;

/** `field`: where the options stand in the entry. `sign`: without it nothing can be encoded that is to be signed. */
export function prepareEncoding(
  { serializer = "json", compression }: Pick<TaskOptions, "serializer" | "compression">,
  field = "options",
  sign?: Sign,
): Encoding {
  const { contentType, contentEncoding, ...plain } = serializers[serializer];
  const serialize =
    serializer === "auth" && sign !== undefined
      ? (body: unknown) => sign(serializers.json.serialize(body))
      : plain.serialize;
  const compressed = compression === undefined ? undefined : compressionOf(compression, `${field}.compression`);
  return {
    contentType,
    contentEncoding,
    compression: compressed?.header,
    encode(body) {
      const bytes = serialize(body);
      if (bytes.length > maxBodyBytes) {
        throw refusal(
          `args and kwargs make a message of ${bytes.length.toLocaleString("en")} bytes; at most 1 MiB is sent`,
          "args",
          "Store the data elsewhere and send where it is.",
        );
      }
      return compressed === undefined ? bytes : compressed.compress(bytes);
    },
  };
}

function unsigned(): never {
  throw refusal(
    "there is no key to sign the message with",
    "options.serializer",
    "Start Beat with --security-key and --security-certificate, or choose another serializer.",
  );
}

/** Deeper than any body can be: arguments are checked before. */
const maxDepth = 200;

function msgpack(body: unknown): Buffer {
  refuseLoneSurrogates(body);
  try {
    return Buffer.from(encodeMsgpack(body, { maxDepth }));
  } catch (error) {
    throw refusal(`msgpack has no form for the message: ${reasonOf(error)}`, "options.serializer");
  }
}

function refuseLoneSurrogates(value: unknown): void {
  if (typeof value === "string" && !value.isWellFormed()) {
    throw refusal(
      "half of a surrogate pair has no form in msgpack; workers would lose the message",
      "options.serializer",
      "Mend the text, or choose json.",
    );
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    refuseLoneSurrogates(key);
    refuseLoneSurrogates(child);
  }
}
