// What happens to the broker itself: rows 3, 4, 10 and 24.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "amqplib";
import { lasting, type Rig } from "./rig.ts";
import { rows } from "./rows.ts";

const faultMs = lasting(30_000, 8_000);

/** What went wrong is said when it begins, and not again and again. */
function assertSaid(rig: Rig, pattern: RegExp, atMost: number): void {
  const said = rig.daemon.lines.filter(({ level, message }) => level !== "info" && pattern.test(message));
  assert.ok(said.length >= 1 && said.length <= atMost, `it says so once: ${JSON.stringify(said)}`);
}

rows("the broker", [
  {
    number: 3,
    fault: "the broker killed, started again",
    async run(rig) {
      await rig.start();
      await rig.calm(3_000);
      await rig.fault("broker down", async () => {
        await rig.rabbitmq.kill();
        await sleep(faultMs);
        await rig.rabbitmq.start();
      });
      assertSaid(rig, /Messages wait in the outbox/, 4);
    },
  },
  {
    number: 4,
    fault: "the broker away at start",
    isQuick: true,
    async run(rig) {
      await rig.rabbitmq.kill();
      await rig.begin(3_000);
      await rig.fault("broker away", async () => {
        rig.spawn();
        await rig.daemon.line(/nothing listens|Messages wait in the outbox/);
        await sleep(faultMs);
        const { report } = await rig.status();
        assert.equal(report!.broker!.available, false);
        await rig.rabbitmq.start();
        await rig.daemon.line(/^Connected to/);
      });
      assertSaid(rig, /Messages wait in the outbox/, 4);
    },
  },
  {
    number: 10,
    fault: "the broker blocked (memory alarm)",
    isQuick: true,
    async run(rig) {
      await rig.start();
      await rig.calm(3_000);
      await rig.fault("memory alarm", async () => {
        await rig.rabbitmq.rabbitmqctl("set_vm_memory_high_watermark", "0.0000001");
        await rig.daemon.line(/takes no messages now/);
        await sleep(faultMs);
        const { report } = await rig.status();
        assert.match(report!.broker!.reason!, /takes no messages now/);
        await rig.rabbitmq.rabbitmqctl("set_vm_memory_high_watermark", "0.6");
      });
      assertSaid(rig, /takes no messages now/, 3);
    },
  },
  {
    number: 24,
    fault: "the queue deleted, created again",
    isQuick: true,
    async run(rig) {
      await rig.start();
      await rig.calm(3_000);
      const { queue } = rig;
      await rig.fault("queue deleted", async () => {
        rig.witness.pause();
        const connection = await connect(rig.rabbitmq.url);
        await (await connection.createChannel()).deleteQueue(queue);
        await connection.close();
        await rig.daemon.line(new RegExp(`Queue "${queue}"`));
        await sleep(faultMs);
        const { report } = await rig.status();
        assert.equal(report!.broker!.queues[0]!.queue, queue);
        await rig.witness.resume();
      });
      assertSaid(rig, new RegExp(`Queue "${queue}"`), 1);
    },
  },
]);
