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
    redis: "quick",
    async run(rig) {
      await rig.start();
      await rig.calm(3_000);
      const { broker } = rig;
      await rig.trouble("broker down", {
        harm: () => broker.kill(),
        meanwhile: () => sleep(faultMs),
        heal: () => broker.start(),
      });
      assertSaid(rig, /Messages wait in the outbox/, 4);
    },
  },
  {
    number: 4,
    fault: "the broker away at start",
    isQuick: true,
    redis: "full",
    async run(rig) {
      await rig.broker.kill();
      await rig.begin(3_000);
      await rig.trouble("broker away", {
        harm: () => rig.spawn().line(/nothing listens|Messages wait in the outbox/),
        async meanwhile() {
          await sleep(faultMs);
          const { report } = await rig.status();
          assert.equal(report!.brokers[0]!.available, false);
        },
        async heal() {
          await rig.broker.start();
          await rig.daemon.line(/^Connected to/);
        },
      });
      assertSaid(rig, /Messages wait in the outbox/, 4);
    },
  },
  {
    number: 10,
    fault: "the broker has no memory left (alarm, OOM)",
    isQuick: true,
    redis: "full",
    async run(rig) {
      await rig.start();
      await rig.calm(3_000);
      const { broker } = rig;
      await rig.trouble("memory alarm", {
        harm: () => broker.block(),
        async meanwhile() {
          await rig.daemon.line(broker.blockedText);
          await sleep(faultMs);
          const { report } = await rig.status();
          assert.match(report!.brokers[0]!.reason!, broker.blockedText);
        },
        heal: () => broker.unblock(),
      });
      assertSaid(rig, rig.broker.blockedText, 3);
    },
  },
  {
    number: 24,
    fault: "the queue deleted, created again",
    isQuick: true,
    async run(rig) {
      const toleranceMs = lasting(10_000, 2_000);
      await rig.start(["--overdue-tolerance", `${toleranceMs}ms`]);
      await rig.calm(3_000);
      const { queue } = rig;
      await rig.trouble("queue deleted", {
        async harm() {
          rig.witness.pause();
          const connection = await connect(rig.broker.url);
          await (await connection.createChannel()).deleteQueue(queue);
          await connection.close();
        },
        async meanwhile() {
          await rig.daemon.line(new RegExp(`Queue "${queue}"`));
          await sleep(faultMs);
          const { report } = await rig.status();
          assert.equal(report!.brokers[0]!.queues[0]!.queue, queue);
        },
        heal: () => rig.witness.resume(),
        // The broker is well: it is what waits in the outbox that has been due for too long.
        unreadyWithinMs: toleranceMs + 3_000,
      });
      assertSaid(rig, new RegExp(`Queue "${queue}"`), 1);
    },
  },
]);
