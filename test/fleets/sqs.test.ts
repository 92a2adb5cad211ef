// The contract, on a FIFO queue, which keeps order, and what is different with a standard one.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { available, brokerAt, envelopeIn, urlAt } from "../brokers/sqs-opened.ts";
import { type BrokerFixture, brokerContract, messageTo, publish } from "../contract/broker-contract.ts";
import { startMoto } from "../servers/moto.ts";
import { TcpProxy } from "../servers/proxy.ts";

const server = await startMoto();
const proxy = await TcpProxy.to(server.port);
after(async () => {
  await proxy.cut();
  await server.stop();
});

const received = async (queue: string) => (await server.take(queue)).map((body) => envelopeIn(body).headers.id);

brokerContract("sqs", async (): Promise<BrokerFixture> => {
  await server.create("contract.fifo");
  return {
    queue: "contract.fifo",
    missing: { queue: "missing.fifo", create: async () => void (await server.create("missing.fifo")) },
    connect: async () => brokerAt(urlAt(proxy.port)),
    received,
    poison: (message) => ({ ...message, body: Buffer.alloc(800_000) }),
    cut: () => proxy.cut(),
    restore: () => proxy.restore(),
    dispose: async () => undefined,
  };
});

test("a standard queue takes many batches at once, and every message arrives", async () => {
  await server.create("many");
  await using open = await available(urlAt(server.port));
  const messages = Array.from({ length: 495 }, () => messageTo("many"));
  const outcomes = await publish(open.broker, messages);
  assert.ok(outcomes.every(({ result }) => result === "confirmed"));
  assert.deepEqual((await received("many")).toSorted(), messages.map(({ id }) => id).toSorted());
});

test("a FIFO queue drops what was sent twice", async () => {
  await server.create("twice.fifo");
  await using open = await available(urlAt(server.port));
  const message = messageTo("twice.fifo");
  for (let time = 0; time < 2; time++)
    assert.deepEqual(await publish(open.broker, [message]), [{ result: "confirmed" }]);
  assert.deepEqual(await received("twice.fifo"), [message.id]);
});

test("a queue's own limit is the queue's to say, of that message alone", async () => {
  await server.create("small", { MaximumMessageSize: "2048" });
  await using open = await available(urlAt(server.port));
  const outcomes = await publish(open.broker, [messageTo("small"), messageTo("small", { body: Buffer.alloc(1_000) })]);
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ["confirmed", "refused"],
  );
  assert.match((outcomes[1] as { reason: string }).reason, /must be shorter than 2048 bytes/);
});
