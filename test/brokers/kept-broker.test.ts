// What keeps a connection, over connections that do as the test says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KeptBroker, type Link, type LinkListener, type Transport } from "../../src/brokers/kept-broker.ts";
import { confirm } from "../../src/brokers/sending.ts";
import { silentLog } from "../../src/log.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { messageTo, publish, Told } from "../contract/broker-contract.ts";

class FakeLink implements Link {
  unsettled = 0;
  blockedReason: string | undefined;
  endReason: string | undefined;
  isClosed = false;

  publish(sendings: Parameters<Link["publish"]>[0]): void {
    setImmediate(() => sendings.forEach(confirm));
  }

  async drained(): Promise<void> {}

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** `answers`: what each attempt to connect comes to; the last one holds for all that follow. */
async function kept(...answers: readonly ((link: FakeLink) => void)[]) {
  const clock = new SimulatedClock();
  const told = new Told();
  const attempts: number[] = [];
  const links: FakeLink[] = [];
  let listener: LinkListener | undefined;
  const transport: Transport = {
    url: "fake://h",
    at: "h:1",
    window: 3,
    async open(_, told) {
      listener = told;
      attempts.push(clock.monotonic());
      const link = new FakeLink();
      answers[Math.min(attempts.length, answers.length) - 1]!(link);
      links.push(link);
      return link;
    },
    failure: (error) => ({ reason: String(error), permanent: String(error).includes("password") }),
  };
  const broker = new KeptBroker(transport, { clock, log: silentLog, random: () => 0.999_999 });
  await broker.open(told);
  await clock.advance(1);
  const waits = () => attempts.slice(1).map((at, index) => Math.round(at - attempts[index]!));
  return { broker, clock, told, attempts, links, waits, listener: () => listener! };
}
const fails = (reason: string) => () => {
  throw reason;
};
const works = () => {};

test("attempts are made ever more rarely, up to every two seconds", async () => {
  const { clock, told, waits, broker } = await kept(fails("nobody there"));
  await clock.advance(20_000);
  assert.deepEqual(waits().slice(0, 7), [200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
  assert.deepEqual(told.unavailabilities[0], { reason: "nobody there", permanent: false });
  await broker.close(0);
  const before = waits().length;
  await clock.advance(20_000);
  assert.equal(waits().length, before);
});

test("where only a human can help there is no hurry", async () => {
  const { clock, told, waits, broker } = await kept(fails("wrong password"));
  await clock.advance(60_000);
  assert.deepEqual(waits().slice(0, 3), [5_000, 10_000, 20_000]);
  assert.equal(told.unavailabilities[0]?.permanent, true);
  await broker.close(0);
});

test("a connection that ended before it could be used is one more attempt", async () => {
  const ended = (link: FakeLink) => {
    link.endReason = "gone at once";
  };
  const { clock, told, waits, broker } = await kept(ended, ended, works);
  await clock.advance(2_000);
  assert.deepEqual(waits(), [200, 400]);
  assert.deepEqual(told.unavailabilities, Array(2).fill({ reason: "gone at once", permanent: false }));
  assert.equal(told.isAvailable, true);
  await broker.close(0);
});

test("the waits begin anew after a connection that lived, and only then", async () => {
  const { clock, attempts, broker, listener } = await kept(works);
  const waits: number[] = [];
  for (const livedMs of [100, 100, 100, 5_000]) {
    await clock.advance(livedMs);
    const lostAt = clock.monotonic();
    listener().lost("gone");
    await clock.advance(1_000);
    waits.push(Math.round(attempts.at(-1)! - lostAt));
  }
  assert.deepEqual(waits, [200, 400, 800, 200]);
  await broker.close(0);
});

test("what is blocked takes nothing, and says why", async () => {
  const { broker, links, told, listener } = await kept(works);
  assert.deepEqual(await publish(broker, [messageTo("q")]), [{ result: "confirmed" }]);
  links[0]!.blockedReason = "full";
  listener().blocked("full");
  assert.equal(told.isAvailable, false);
  assert.deepEqual(await publish(broker, [messageTo("q")]), [{ result: "unavailable", reason: "full" }]);
  links[0]!.blockedReason = undefined;
  listener().unblocked();
  assert.equal(told.isAvailable, true);
  assert.deepEqual(await publish(broker, [messageTo("q")]), [{ result: "confirmed" }]);
  await broker.close(0);
  assert.equal(links[0]!.isClosed, true);
});
