// Real Celery workers find what Beat leaves in Redis under keys that are not the usual ones. Those are in test/fleets.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { available } from "../brokers/redis-opened.ts";
import { messageTo, publish } from "../contract/broker-contract.ts";
import { celeryVersions, startWorker, untilReceived } from "../servers/celery.ts";
import { startRedis } from "../servers/redis.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-redis-workers-"));
const server = await startRedis();
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

for (const version of celeryVersions) {
  test(`Celery ${version}: a key prefix, another database and other steps`, async () => {
    await server.client.flushall();
    const options = { global_keyprefix: "app:", priority_steps: [0, 5], sep: ":" };
    const url = server.url.replace(/0$/, "4");
    await using open = await available(`${url}?global_keyprefix=app:&priority_steps=0,5&sep=:`);
    const base = messageTo("celery");
    const [second, first] = [5, 4].map((priority) =>
      messageTo("celery", {
        priority,
        headers: { ...base.headers, task: "sample.echo", id: `of priority ${priority}` },
      }),
    );
    await publish(open.broker, [second!, first!]);
    const file = join(folder, `received-${version}.jsonl`);
    const worker = await startWorker({
      version,
      brokerUrl: url,
      env: {
        BEAT_RECEIVED: file,
        BEAT_ONE_AT_A_TIME: "1",
        BEAT_TRANSPORT_OPTIONS: JSON.stringify(options),
      },
    });
    try {
      const received = await untilReceived(file, 2, worker);
      assert.deepEqual(
        received.map(({ id }) => id),
        ["of priority 4", "of priority 5"],
      );
    } finally {
      await worker.stop();
    }
  });
}
