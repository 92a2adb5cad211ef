// The contract, and networks that fail.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, suite, test } from "node:test";
import { RedisBroker } from "../../src/brokers/redis.ts";
import { silentLog } from "../../src/log.ts";
import { systemClock } from "../../src/system-clock.ts";
import { type BrokerFixture, brokerContract, messageTo, publish } from "../contract/broker-contract.ts";
import { freePorts } from "../servers/own-server.ts";
import { TcpProxy } from "../servers/proxy.ts";
import { startRedis } from "../servers/redis.ts";
import { heldTimer } from "./opened.ts";
import { available, opened, take } from "./redis-opened.ts";

const server = await startRedis();
const proxy = await TcpProxy.to(server.port);
after(async () => {
  await proxy.cut();
  await server.stop();
});
const proxied = `redis://127.0.0.1:${proxy.port}/0`;

brokerContract("redis", async (): Promise<BrokerFixture> => {
  return {
    queue: "celery",
    missing: undefined,
    connect: async () => new RedisBroker(proxied, { clock: systemClock, log: silentLog }),
    received: (queue) => take(server, queue),
    poison: (message) => ({ ...message, headers: { ...message.headers, big: 1n } }),
    cut: () => proxy.cut(),
    restore: () => proxy.restore(),
    dispose: async () => undefined,
  };
});

suite("a network that fails", () => {
  test("a server that is away is waited for, with backoff", async () => {
    const [port] = await freePorts(1);
    await using open = await opened(`redis://127.0.0.1:${port}`);
    await open.told.until(() => open.told.unavailabilities.length >= 2);
    assert.deepEqual(open.told.unavailabilities[0], {
      reason: `nothing listens at 127.0.0.1:${port}`,
      permanent: false,
    });
    const late = await TcpProxy.to(server.port);
    await late.cut();
    late.port = port!;
    await late.restore();
    await open.told.until(() => open.told.isAvailable);
    await late.cut();
  });

  test("a connection over which nothing comes back is given up, and what was on it is in doubt", async () => {
    await using open = await available(proxied, { confirmLimitMs: 300 });
    proxy.blackhole();
    const [outcome] = await publish(open.broker, [messageTo("void")]);
    assert.ok(outcome?.result === "unavailable");
    assert.match(outcome.reason, /^Redis at 127\.0\.0\.1:\d+ answered nothing for \d+ s$/);
    await open.told.until(() => open.told.isAvailable);
    assert.deepEqual(await publish(open.broker, [messageTo("void")]), [{ result: "confirmed" }]);
  });

  test("an idle connection that broke is found out before a message needs it", async () => {
    const probe = heldTimer(10_000);
    await using open = await available(proxied, { clock: probe.clock, confirmLimitMs: 300 });
    proxy.blackhole();
    probe.fire();
    assert.match((await open.told.trouble()).reason, /answered nothing for/);
    await open.told.until(() => open.told.isAvailable);
  });

  test("a server that stands still for a moment costs nothing", async () => {
    await using open = await available(proxied);
    server.pause();
    const messages = Array.from({ length: 600 }, () => messageTo("still"));
    const outcomes = publish(open.broker, messages);
    await new Promise((resolve) => setTimeout(resolve, 200));
    server.resume();
    assert.ok((await outcomes).every(({ result }) => result === "confirmed"));
    assert.deepEqual(
      await take(server, "still"),
      messages.map(({ id }) => id),
    );
    assert.deepEqual(open.told.unavailabilities, []);
  });

  const others: readonly [string, string, RegExp][] = [
    ["says nothing", "", /^no answer from 127\.0\.0\.1:\d+$/],
    ["is no Redis", "HTTP/1.1 400 Bad Request\r\n\r\n", /check that Redis listens there and does not want TLS/],
  ];
  for (const [name, answer, reason] of others) {
    test(`a server that ${name} is named`, async () => {
      const other = createServer((socket) => {
        socket.on("error", () => undefined);
        if (answer !== "") socket.once("data", () => socket.write(answer));
      });
      await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
      const { port } = other.address() as { port: number };
      const clock = {
        ...systemClock,
        setTimer: (delayMs: number, callback: () => void) => systemClock.setTimer(Math.min(delayMs, 300), callback),
      };
      const open = await opened(`redis://127.0.0.1:${port}`, { clock });
      assert.match((await open.told.trouble()).reason, reason);
      await open.broker.close(0);
      other.close();
    });
  }

  test("survives the server's death, and loses nothing that was confirmed", async () => {
    await using open = await available(server.url);
    const messages = Array.from({ length: 2_500 }, () => messageTo("kept"));
    const outcomes = publish(open.broker, messages);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await server.kill();
    const settled = await outcomes;
    await open.told.until(() => open.told.unavailabilities.length > 0);
    await server.start();
    await open.told.until(() => open.told.isAvailable);
    const kept = new Set(await take(server, "kept"));
    for (const [index, { result }] of settled.entries()) {
      assert.ok(result === "confirmed" || result === "unavailable");
      if (result === "confirmed")
        assert.ok(kept.has(messages[index]!.id), `message ${index} was confirmed and is gone`);
    }
    assert.deepEqual(await publish(open.broker, [messageTo("kept")]), [{ result: "confirmed" }]);
  });
});
