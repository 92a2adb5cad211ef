// What the options of apply_async make of a message, beside what real clients sent with the same options.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";
import { brotliDecompressSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { parse } from "yaml";
import { expirationOf } from "../../src/celery/envelope.ts";
import type { Message } from "../../src/core/ports.ts";
import { type TaskTarget, targetOf } from "../../src/core/target.ts";
import { celeryVenv } from "../servers/celery.ts";
import { assertSame, build, type Captured, fireAt, golden, versions } from "./captures.ts";
import { kombuDecompress } from "./kombu-decompress.ts";

const client = { defaultQueue: "hg_cap" };
/** Celery's client writes the tuple that it was called with, and `false` for a result that nobody spoke of. */
const differing = ["argsrepr", "ignore_result"];

/** Everything but the bytes of the body, which are compared on their own. */
function assertSameAround(message: Message, captured: Captured, more: readonly string[] = []): void {
  const { body_base64: _, ...rest } = captured as Captured & { readonly body_base64?: string };
  assertSame(message, { ...rest, body: message.body.toString() }, [...differing, ...more]);
}

const bytesOf = (captured: Captured): Buffer =>
  Buffer.from((captured as Captured & { readonly body_base64: string }).body_base64, "base64");

/** What Python reads of a pickled body, as Python writes it: a list, whether it was one or a tuple. */
async function unpickled(body: Buffer): Promise<string> {
  const program = "import pickle, sys; print(list(pickle.load(sys.stdin.buffer)))";
  const { stdout, stderr } = spawnSync(await celeryVenv("5.7.0"), ["-X", "utf8", "-c", program], { input: body });
  return stdout.toString().trim() || stderr.toString();
}

const byKombu = (header: string) => async (body: Buffer) => (await kombuDecompress(header, [body]))[0]!;

for (const version of versions) {
  const cases = golden(`amqp-celery-${version}`) as Record<string, Captured>;

  suite(`Celery ${version}`, () => {
    test("countdown and expires", () => {
      const message = build({ args: [2, 3], options: { countdown: 60, expires: "120.5s" } }, client);
      assertSame(message, cases["countdown"]!, [...differing, "eta", "expires"]);
      assert.equal(message.headers["eta"], "2027-01-01T09:01:00+00:00");
      assert.equal(message.headers["expires"], "2027-01-01T09:02:00.500000+00:00");
      assert.equal(expirationOf(message.expiresAt!, fireAt), cases["countdown"]!.properties["expiration"]);
    });
    test("link and link_error", () => {
      const options = {
        link: { task: "hg.add", args: [10] },
        link_error: { task: "hg.echo", args: ["err"], immutable: true },
      };
      assertSame(build({ args: [2, 3], options }, client), cases["callbacks"]!, differing);
    });
    test("chain", () => {
      const captured = cases["chain"]!;
      const chain = [
        { task: "hg.add", args: [1, 2] },
        { task: "hg.add", args: [4] },
        { task: "hg.add", args: [8] },
      ];
      const message = build(targetOf({ chain }) as TaskTarget, {
        ...client,
        id: String(captured.properties["correlation_id"]),
      });
      assertSameAround(message, captured);
      const withoutIds = (body: string) => body.replaceAll(/"task_id": "[^"]{36}"(, "reply_to": "[^"]{36}")?/g, "");
      assert.equal(withoutIds(message.body.toString()), withoutIds(captured.body));
    });
    if (cases["stamp"] !== undefined) {
      test("stamps", () =>
        assertSame(
          build({ args: [2, 3], options: { stamps: { mystamp: "v1" } } }, client),
          cases["stamp"]!,
          differing,
        ));
    }
    test("protocol 1", () => {
      const captured = cases["v1"]!;
      const message = build({ args: [2, 3], options: { task_protocol: 1, countdown: 1 } }, client);
      const { celery_beat_task: _, periodic_task_name: __, beat_fire_time: ___, ...headers } = message.headers;
      assert.deepEqual(headers, captured.properties.headers);
      const withoutEta = (body: string) => body.replace(/"eta": "[^"]+"/, "");
      assert.equal(withoutEta(message.body.toString()), withoutEta(captured.body));
      assert.equal(JSON.parse(message.body.toString()).eta, "2027-01-01T09:00:01+00:00");
    });
    test("serializers", () => {
      const target = { task: "hg.echo", args: [1, "hé"], kwargs: { k: null } };
      const as = (serializer: "json" | "yaml" | "msgpack" | "pickle") =>
        build({ ...target, options: { serializer } }, client);
      assertSame(as("json"), cases["ser_json"]!, differing);
      assertSameAround(as("yaml"), cases["ser_yaml"]!);
      assert.deepEqual(
        parse(as("yaml").body.toString(), { version: "1.1" }),
        parse(cases["ser_yaml"]!.body, { version: "1.1" }),
      );
      assertSameAround(as("msgpack"), cases["ser_msgpack"]!);
      assert.equal(as("msgpack").body.toString("hex"), bytesOf(cases["ser_msgpack"]!).toString("hex"));
    });
    test("pickle", async () => {
      const message = build(
        { task: "hg.echo", args: [1, "hé"], kwargs: { k: null }, options: { serializer: "pickle" } },
        client,
      );
      assertSameAround(message, cases["ser_pickle"]!);
      assert.equal(
        await unpickled(message.body),
        (await unpickled(bytesOf(cases["ser_pickle"]!))).replace(/[(]1, 'hé'[)]/, "[1, 'hé']"),
      );
    });
    if (cases["rich"] !== undefined) {
      test("typed values", () => {
        const [, kwargs] = JSON.parse(cases["rich"]!.body);
        const message = build({ task: "hg.echo", kwargs }, client);
        assertSame(message, cases["rich"]!, [...differing, "kwargsrepr"]);
      });
    }
    for (const [name, capture, decompress] of [
      ["gzip", "comp_gzip", inflateSync],
      ["bzip2", "comp_bzip2", byKombu("application/x-bz2")],
      ["lzma", "comp_lzma", byKombu("application/x-lzma")],
      ["brotli", "comp_brotli", brotliDecompressSync],
      ["zstd", "comp_zstd", zstdDecompressSync],
    ] as const) {
      test(`compression ${name}`, async () => {
        const captured = cases[capture]!;
        const plain = await decompress(bytesOf(captured));
        const args = JSON.parse(plain.toString())[0] as unknown[];
        const message = build({ task: "hg.echo", args, options: { compression: name } }, client);
        assert.equal((await decompress(message.body)).toString(), plain.toString());
        const { compression, ...headers } = captured.properties.headers;
        assert.equal(message.headers["compression"], compression);
        assertSameAround(
          {
            ...message,
            headers: Object.fromEntries(Object.entries(message.headers).filter(([key]) => key !== "compression")),
          },
          { ...captured, properties: { ...captured.properties, headers } },
        );
      });
    }
  });
}
