import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBroker } from "../../src/brokers/memory.ts";
import { type BrokerFixture, brokerContract, messageTo, publish, Told } from "../contract/broker-contract.ts";

brokerContract("memory", async (): Promise<BrokerFixture> => {
  let broker = new MemoryBroker();
  return {
    queue: "celery",
    missing: { queue: "missing", create: async () => broker.createQueue("missing") },
    async connect() {
      const before = broker;
      broker = new MemoryBroker();
      broker.messages.push(...before.messages);
      broker.deleteQueue("missing");
      return broker;
    },
    async received(queue) {
      const ids = broker.messages.filter((message) => message.queue === queue).map(({ id }) => id);
      broker.messages.length = 0;
      return ids;
    },
    poison(message) {
      broker.refuse(message.id, "poisoned");
      return message;
    },
    cut: async () => broker.fail("cut"),
    restore: async () => {
      if (broker.isOpen) broker.recover();
    },
    dispose: async () => undefined,
  };
});

test("fails on demand, and says whether for good", async () => {
  const broker = new MemoryBroker();
  const told = new Told();
  await broker.open(told);
  broker.fail("wrong password", true);
  broker.notice("a word");
  assert.deepEqual(told.unavailabilities, [{ reason: "wrong password", permanent: true }]);
  assert.deepEqual(told.notices, ["a word"]);
  assert.deepEqual(await publish(broker, [messageTo("q")]), [{ result: "unavailable", reason: "wrong password" }]);
  assert.deepEqual(broker.messages, []);
});
