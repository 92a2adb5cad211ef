// The checker must find what is known of real `celery beat`: what fell due while it was stopped is gone without a word, and
// two of them send everything twice. A checker that passes it is broken.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { check, type FindingKind, type Verdict } from "../checker/check.ts";
import type { Fault } from "../checker/evidence.ts";
import { reportOf } from "../checker/report.ts";
import { folder } from "../e2e/beat.ts";
import { celeryVenv } from "../servers/celery.ts";
import { type RabbitmqServer, startRabbitmq } from "../servers/rabbitmq.ts";
import { rabbitmqTap } from "./brokers.ts";
import { isFull, lasting } from "./rig.ts";
import { Witness } from "./witness.ts";

const entries = 12;
const periodMs = 2_000;

let rabbitmq: RabbitmqServer;
before(async () => {
  rabbitmq = await startRabbitmq();
});
after(() => rabbitmq?.stop());

class CeleryBeat {
  readonly witness: Witness;
  readonly #t: TestContext;
  readonly #cwd: string;
  readonly #queue: string;
  readonly #python: string;

  private constructor(t: TestContext, world: { cwd: string; queue: string; python: string; witness: Witness }) {
    this.#t = t;
    this.#cwd = world.cwd;
    this.#queue = world.queue;
    this.#python = world.python;
    this.witness = world.witness;
  }

  static async open(t: TestContext): Promise<CeleryBeat> {
    const [cwd, python] = [await folder(t), await celeryVenv("5.7.0")];
    const queue = `celery-beat-${randomUUID()}`;
    const witness = await Witness.open(rabbitmqTap(rabbitmq.url), queue);
    t.after(() => witness.close());
    return new CeleryBeat(t, { cwd, queue, python, witness });
  }

  /** One process of it, on a schedule file of its own. Resolves with what ends it. */
  async start(file: string): Promise<() => Promise<void>> {
    const sent = this.witness.arrived.length;
    const args = ["-m", "celery", "-A", "celery_beat_app", "beat", "-s", join(this.#cwd, file), "-l", "WARNING"];
    const child = spawn(this.#python, [...args, "--pidfile", ""], {
      cwd: import.meta.dirname,
      env: {
        ...process.env,
        PYTHONDONTWRITEBYTECODE: "1",
        BROKER: rabbitmq.url,
        QUEUE: this.#queue,
        PERIOD: String(periodMs / 1_000),
        ENTRIES: String(entries),
      },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const ended = once(child, "exit");
    this.#t.after(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    await this.witness.until((arrived) => arrived.length >= sent + entries);
    return async () => {
      child.kill("SIGTERM");
      // Now and then it does not end by that: its own lock is in its way.
      const impatient = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await ended;
      clearTimeout(impatient);
    };
  }

  /** From its first message on. It keeps no ledger, and its messages do not say for which time they are. */
  judge(title: string, endAt: number, faults: readonly Fault[]): Verdict {
    const deliveries = this.witness.arrived.filter(({ at }) => at <= endAt);
    const schedule = Array.from({ length: entries }, (_, n) => {
      const entry = `entry-${n}`;
      const firstAt = deliveries.find((delivery) => delivery.entry === entry)!.at - 5;
      const invokedAt = firstAt - periodMs;
      const definition = { every: `${periodMs}ms`, task: "a.task" };
      return { entry, changes: [{ invokedAt, acknowledgedAt: invokedAt, anchorAt: invokedAt, definition }] };
    });
    const startAt = Math.min(...schedule.map(({ changes }) => changes[0]!.invokedAt));
    // Its intervals drift: nearly a period late is on time.
    const tolerance = { earlyMs: 0, lateMs: 2 * periodMs, recoveryMs: periodMs, minCertainShare: 0.5 };
    return check({ title, startAt, endAt, tolerance, schedule, faults, deliveries });
  }
}

function assertFound(t: TestContext, verdict: Verdict, kind: RegExp, atLeast: number): void {
  const found = verdict.findings.filter((finding) => kind.test(finding.kind satisfies FindingKind)).length;
  t.diagnostic(
    `${verdict.title}: ${found} of ${verdict.counts.certain + verdict.counts.byPolicy} times ${kind.source}`,
  );
  assert.ok(found >= atLeast, reportOf(verdict));
  assert.equal(verdict.outcome, "invalid");
}

test("celery beat stopped for a while: the checker misses what it lost", async (t) => {
  const celery = await CeleryBeat.open(t);
  const stop = await celery.start("schedule");
  await sleep(2 * periodMs);
  const from = Date.now();
  await stop();
  await sleep(lasting(60_000, 10_000));
  const stopAgain = await celery.start("schedule");
  const stopped = { what: "stopped", from, until: Date.now(), deciding: true };
  await sleep(isFull ? 20_000 : 10_000);
  const endAt = Date.now();
  await stopAgain();
  const verdict = celery.judge("celery beat, stopped", endAt, [stopped]);
  const due = Math.floor((stopped.until - from) / periodMs) * entries;
  assertFound(t, verdict, /^missing/, due - 2 * entries);
});

test("two celery beats at once: the checker finds every run twice", async (t) => {
  const celery = await CeleryBeat.open(t);
  const stops = await Promise.all([celery.start("first"), celery.start("second")]);
  await sleep(lasting(60_000, 10_000));
  const endAt = Date.now();
  await Promise.all(stops.map((stop) => stop()));
  const verdict = celery.judge("two celery beats", endAt, []);
  assertFound(t, verdict, /^duplicate: second id/, (lasting(60_000, 10_000) / periodMs - 2) * entries);
});
