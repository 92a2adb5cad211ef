// What systemd is told, by systemd-notify or by a stand-in for it that writes down its words.

import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Log } from "../../src/core/ports.ts";
import { silentLog } from "../../src/log.ts";
import { Systemd, type SystemdOptions } from "../../src/operating/systemd.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { folder } from "../e2e/beat.ts";

async function standIn(t: TestContext): Promise<{ env: Record<string, string>; words: () => Promise<string[]> }> {
  const cwd = await folder(t);
  const told = join(cwd, "told");
  await writeFile(told, "");
  const command = join(cwd, "systemd-notify");
  await writeFile(command, `#!/bin/sh\nfor word; do printf '%s %s\\n' "$NOTIFY_SOCKET" "$word"; done >> '${told}'\n`);
  await chmod(command, 0o755);
  const env = { PATH: `${cwd}:/usr/bin:/bin`, NOTIFY_SOCKET: "@abstract" };
  return { env, words: async () => (await readFile(told, "utf8")).trim().split("\n").filter(Boolean) };
}

async function until(words: () => Promise<string[]>, count: number): Promise<string[]> {
  const endsAt = performance.now() + 20_000;
  for (;;) {
    const found = await words();
    if (found.length >= count) return found;
    assert.ok(performance.now() < endsAt, `${found.length} of ${count}: ${found}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function systemd(options: Partial<SystemdOptions>) {
  const clock = new SimulatedClock();
  const made = new Systemd({
    env: {},
    clock,
    log: silentLog,
    isAlive: () => true,
    status: () => "Leading",
    ...options,
  });
  return { clock, systemd: made };
}

test("ready with its status, alive at half of the time, the status when it changes, stopping", async (t) => {
  const { env, words } = await standIn(t);
  let status = "Leading";
  const { clock, systemd: it } = systemd({ env: { ...env, WATCHDOG_USEC: "6000000" }, status: () => status });
  it.ready();
  assert.deepEqual(await until(words, 2), ["@abstract READY=1", "@abstract STATUS=Leading"]);
  await clock.advance(3_000);
  assert.deepEqual((await until(words, 3)).slice(2), ["@abstract WATCHDOG=1"]);
  status = "Leading; the broker\nis away";
  await clock.advance(3_000);
  assert.deepEqual((await until(words, 5)).slice(3), [
    "@abstract WATCHDOG=1",
    "@abstract STATUS=Leading; the broker is away",
  ]);
  it.stopping();
  assert.equal((await until(words, 7))[5], "@abstract STOPPING=1");
  it.close();
});

test("a loop that stands still is not said to be alive", async (t) => {
  const { env, words } = await standIn(t);
  let isAlive = false;
  const { clock, systemd: it } = systemd({ env: { ...env, WATCHDOG_USEC: "2000000" }, isAlive: () => isAlive });
  it.ready();
  await until(words, 2);
  await clock.advance(10_000);
  isAlive = true;
  await clock.advance(1_000);
  assert.deepEqual((await until(words, 3)).slice(2), ["@abstract WATCHDOG=1"]);
  it.close();
});

test("without NOTIFY_SOCKET nothing is said; without systemd-notify that is said once", async (t) => {
  const { env, words } = await standIn(t);
  const silent = systemd({ env: { PATH: env["PATH"]!, WATCHDOG_USEC: "1000000" } });
  silent.systemd.ready();
  await silent.clock.advance(60_000);
  silent.systemd.stopping();
  const lines: string[] = [];
  const warned = Promise.withResolvers<void>();
  const log: Log = {
    ...silentLog,
    warn: (message) => {
      lines.push(message);
      warned.resolve();
    },
  };
  const lost = systemd({ env: { PATH: await folder(t), NOTIFY_SOCKET: "/run/none" }, log });
  lost.systemd.ready();
  await warned.promise;
  lost.systemd.close();
  assert.match(lines[0]!, /systemd could not be told READY=1/);
  assert.deepEqual(await words(), []);
});
