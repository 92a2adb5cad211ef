// Workers that take nothing but signed messages, or nothing but pickles.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildMessage } from "../../src/celery/message.ts";
import type { TaskOptions } from "../../src/core/target.ts";
import { silentLog } from "../../src/log.ts";
import type { SecurityOptions } from "../../src/message-signing.ts";
import { readSigner } from "../../src/message-signing.ts";
import { systemClock } from "../../src/system-clock.ts";
import { available } from "../brokers/amqp-opened.ts";
import { publish } from "../contract/broker-contract.ts";
import { type CeleryVersion, receivedIn, startWorker, untilReceived } from "../servers/celery.ts";
import { makeCa } from "../servers/certificates.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-secured-"));
const certificates = join(folder, "certificates");
await mkdir(certificates);
const rabbitmq = await startRabbitmq();
after(async () => {
  await rabbitmq.stop();
  await rm(folder, { recursive: true, force: true });
});

const ca = await makeCa(folder, "fleet", '/C=GB/O=Fleet\\, "Ltd" <é中>;/CN=its\\+CA=1');
const strangers = await makeCa(folder, "strangers");
const [, beat, stranger] = await Promise.all([
  ca.sign("worker", certificates),
  ca.sign("beat", certificates),
  strangers.sign("stranger", folder),
]);
const args = ["hé中😀", 1.5, -7, 2 ** 40, true, null, [1, ["a"]], { k: { deep: [{}] } }];

async function message(options: TaskOptions, security?: SecurityOptions) {
  const signer = security && (await readSigner(security, { clock: systemClock, log: silentLog }));
  const target = { kind: "task", task: "sample.echo", args, kwargs: { ключ: "значение" }, options } as const;
  const fireAt = Date.now();
  const source = { entryName: "signed", target, defaultQueue: "celery", origin: "beat@test", signer };
  return buildMessage({ ...source, id: randomUUID(), fireAt, nextFireAt: null });
}

for (const [version, layout] of [
  ["5.7.0", "current"],
  ["5.2.7", "legacy"],
] as const) {
  test(`a worker of ${version} runs what is signed by a key that it knows, and nothing else`, async () => {
    const security = { key: beat.key, certificate: beat.certificate, layout } as const;
    const signed = await message({ serializer: "auth" }, security);
    const compressed = await message({ serializer: "auth", compression: "zlib" }, security);
    const refused = [
      await message({ serializer: "json" }),
      await message({ serializer: "auth" }, { ...security, key: stranger.key, certificate: stranger.certificate }),
    ];
    await runs(version, { BEAT_CERTIFICATES: certificates }, [...refused, signed, compressed], [signed, compressed]);
  });

  test(`a worker of ${version} that takes only pickles reads Beat's`, async () => {
    const pickled = [
      await message({ serializer: "pickle" }),
      await message({ serializer: "pickle", compression: "zlib" }),
    ];
    await runs(version, { BEAT_ACCEPT_CONTENT: "pickle" }, [await message({}), ...pickled], pickled);
  });
}

async function runs(
  version: CeleryVersion,
  env: Readonly<Record<string, string>>,
  sent: readonly Awaited<ReturnType<typeof message>>[],
  run: typeof sent,
): Promise<void> {
  const file = join(folder, `received-${randomUUID()}.jsonl`);
  const worker = await startWorker({ version, brokerUrl: rabbitmq.url, env: { BEAT_RECEIVED: file, ...env } });
  try {
    await using open = await available(rabbitmq.url);
    for (const outcome of await publish(open.broker, sent)) assert.equal(outcome.result, "confirmed");
    await untilReceived(file, run.length, worker);
    const received = await receivedIn(file);
    assert.deepEqual(
      received.map(({ id }) => id),
      run.map(({ id }) => id),
      worker.log(),
    );
    for (const each of received) assert.deepEqual([each.args, each.kwargs], [args, { ключ: "значение" }]);
  } finally {
    await worker.stop();
  }
}
