import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { FilesystemBroker, type FilesystemBrokerOptions, folderOf } from "../../src/brokers/filesystem.ts";
import { BrokerError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log.ts";
import { systemClock } from "../../src/system-clock.ts";
import { type BrokerFixture, brokerContract, messageTo, publish } from "../contract/broker-contract.ts";
import { messageOf, untagged } from "./golden-envelope.ts";
import { openings } from "./opened.ts";

const base = await mkdtemp(join(tmpdir(), "beat-filesystem-"));
after(() => rm(base, { recursive: true, force: true }));
let folders = 0;
async function freshFolder(): Promise<string> {
  const path = join(base, `folder ${++folders}`);
  await mkdir(path);
  return path;
}
const urlOf = (path: string) => `filesystem://?data_folder_out=${encodeURIComponent(path)}`;
const brokerAt = (path: string, options: Partial<FilesystemBrokerOptions> = {}) =>
  new FilesystemBroker(urlOf(path), { clock: systemClock, log: silentLog, ...options });

const { opened, available } = openings(brokerAt);

const isMessage = (name: string) => name.endsWith(".msg");
const namesIn = async (path: string) => (await readdir(path)).filter(isMessage).toSorted();

brokerContract("filesystem", async (): Promise<BrokerFixture> => {
  const path = await freshFolder();
  const away = `${path}.away`;
  return {
    queue: "celery",
    missing: undefined,
    connect: async () => brokerAt(path),
    async received(queue) {
      const ids: string[] = [];
      for (const name of (await namesIn(path)).filter((name) => name.split(/\.(.*)/s)[1] === `${queue}.msg`)) {
        ids.push(JSON.parse(await readFile(join(path, name), "utf8")).headers.id);
        await rm(join(path, name));
      }
      return ids;
    },
    poison: (message) => ({ ...message, headers: { ...message.headers, big: 1n } }),
    cut: () => rename(path, away),
    restore: () => rename(away, path),
    dispose: async () => undefined,
  };
});

suite("what kombu's client left in a folder", () => {
  const clock = { ...systemClock, now: () => 1_000 };
  for (const version of ["5.2.7", "5.3.6", "5.4.0", "5.5.3", "5.6.x", "5.7.0"]) {
    test(`Celery ${version}: Beat writes the same files`, async () => {
      const { files }: { readonly files: Readonly<Record<string, string>> } = JSON.parse(
        readFileSync(new URL(`../golden/fs-celery-${version}.json`, import.meta.url), "utf8"),
      );
      const golden = Object.entries(files).filter(([name]) => isMessage(name));
      const path = await freshFolder();
      await using open = await available(path, { clock });
      await publish(
        open.broker,
        golden.map(([, envelope]) => messageOf(envelope, 1_000)),
      );
      const shape = (name: string) =>
        name.replace(/^(q\/)?\d+_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\./, "");
      const written = await Promise.all(
        (await namesIn(path)).map(async (name) => [shape(name), untagged(await readFile(join(path, name), "utf8"))]),
      );
      assert.deepEqual(
        written,
        golden.map(([name, envelope]) => [shape(name), untagged(envelope)]),
      );
      assert.doesNotMatch(String(written), /\d_/);
    });
  }
});

test("whoever lists the folder sees each file whole, and nothing that is none", async () => {
  const path = await freshFolder();
  await using open = await available(path);
  let isDone = false;
  const reader = (async () => {
    const seen = new Set<string>();
    while (!isDone || (await namesIn(path)).some((name) => !seen.has(name))) {
      for (const name of await readdir(path)) {
        if (seen.has(name)) continue;
        seen.add(name);
        // Old workers look for `.<queue>.msg` anywhere in a name, new ones for what follows the first dot.
        if (!name.includes(".celery.msg")) assert.equal(name, ".beat");
        else JSON.parse(await readFile(join(path, name), "utf8"));
      }
    }
    return seen.size;
  })();
  const args = ["x".repeat(100_000)];
  const big = (index: number) => messageTo("celery", { body: Buffer.from(JSON.stringify([[index, ...args], {}, {}])) });
  await publish(
    open.broker,
    Array.from({ length: 300 }, (_, index) => big(index)),
  );
  isDone = true;
  assert.equal(await reader, 301);
  assert.deepEqual(await readdir(join(path, ".beat")), []);
});

test("what a crash left in the making is removed, what another one is making is not", async () => {
  const path = await freshFolder();
  await mkdir(join(path, ".beat"));
  for (const name of ["old", "new"]) await writeFile(join(path, ".beat", name), "{");
  const longAgo = Date.now() / 1_000 - 7_200;
  await utimes(join(path, ".beat", "old"), longAgo, longAgo);
  await using _ = await available(path);
  assert.deepEqual(await readdir(join(path, ".beat")), ["new"]);
});

suite("a folder that can't be written to says why", () => {
  test("missing, until it is there", async () => {
    const path = join(base, "later");
    await using open = await opened(path);
    assert.deepEqual(await open.told.trouble(), {
      reason: `the folder ${path} is not there; create it, or mount what it is on`,
      permanent: false,
    });
    await mkdir(path);
    await open.told.until(() => open.told.isAvailable);
  });
  test("a file", async () => {
    const path = join(base, "file");
    await writeFile(path, "");
    await using open = await opened(path);
    assert.match((await open.told.trouble()).reason, /file is not a folder\. Name a folder as data_folder_out/);
  });
  test("without the right to", async () => {
    const path = await freshFolder();
    await chmod(base, 0o755);
    await chmod(path, 0o555);
    // Root may write to any folder.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid!(65_534);
    try {
      await using open = await opened(path);
      assert.deepEqual(await open.told.trouble(), {
        reason: `the folder ${path} may not be written to by this user`,
        permanent: true,
      });
    } finally {
      if (isRoot) process.seteuid!(0);
    }
  });
  test("that fails in the middle of a batch: what is there is confirmed, what is not goes back", async () => {
    const path = await freshFolder();
    await using open = await available(path);
    const messages = Array.from({ length: 50 }, () => messageTo("celery"));
    const outcomes = publish(open.broker, messages);
    await rm(join(path, ".beat"), { recursive: true, force: true, maxRetries: 100 });
    const results = (await outcomes).map(({ result }) => result);
    const there = new Set(
      await Promise.all(
        (await namesIn(path)).map(async (name) => JSON.parse(await readFile(join(path, name), "utf8")).headers.id),
      ),
    );
    for (const [index, { id }] of messages.entries())
      assert.equal(results[index] === "confirmed", there.has(id), `message ${index}`);
    await open.told.until(() => open.told.isAvailable);
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
  });
});

test("queues that no file can be named after are refused, and so are exchanges", async () => {
  const path = await freshFolder();
  await using open = await available(path);
  const queues = ["../../etc/cron.d/x", "a\\b", "q".repeat(198), "q".repeat(197), "with.dots", ".."];
  const outcomes = await publish(open.broker, [
    ...queues.map((queue) => messageTo(queue)),
    messageTo("q", { exchange: "news" }),
  ]);
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ["refused", "refused", "refused", "confirmed", "confirmed", "confirmed", "refused"],
  );
  assert.equal((await namesIn(path)).length, 3);
});

test("messages that nobody takes are told of, and so is the worker that comes", async () => {
  const path = await freshFolder();
  let passedMs = 0;
  let waiting = Promise.withResolvers<() => void>();
  const clock = {
    ...systemClock,
    monotonic: () => systemClock.monotonic() + passedMs,
    setTimer(delayMs: number, callback: () => void) {
      if (delayMs !== 2_000) return systemClock.setTimer(delayMs, callback);
      waiting.resolve(callback);
      return () => undefined;
    },
  };
  const look = async () => {
    const callback = await waiting.promise;
    waiting = Promise.withResolvers();
    passedMs += 2_000;
    callback();
    await waiting.promise;
  };
  await using open = await available(path, { clock });
  await publish(open.broker, [messageTo("celery"), messageTo("e.mails"), messageTo("celery")]);
  await writeFile(join(path, "1_x.theirs.msg"), "{}");
  for (let round = 0; round < 3; round++) await look();
  assert.deepEqual(open.told.notices, []);
  await look();
  assert.deepEqual(open.told.notices, [
    '3 messages wait in "celery" (2), "e.mails" (1); no worker took one for 6s. Start one: celery -A <your app> -b filesystem:// worker -Q celery,e.mails',
  ]);
  await rm(join(path, (await namesIn(path)).find((name) => name.endsWith(".celery.msg"))!));
  await look();
  assert.deepEqual(open.told.notices.slice(1), ['A worker takes messages from queue "celery".']);
});

suite("URLs", () => {
  test("name the folder into which Beat writes", () => {
    assert.equal(folderOf("filesystem://?data_folder_out=q"), join(process.cwd(), "q"));
    assert.equal(
      folderOf(
        "filesystem://localhost//?data_folder_in=/a&data_folder_out=/b%20c&control_folder=/d&store_processed=true",
      ),
      "/b c",
    );
  });
  const wrong: readonly [string, RegExp][] = [
    ["filesystem://", /names no folder.*data_folder_out/s],
    ["filesystem:///var/spool", /is not a filesystem URL/],
    ["filesystem://?data_folder_ot=x", /Did you mean "data_folder_out"/],
  ];
  for (const [url, message] of wrong)
    test(url, () =>
      assert.throws(
        () => folderOf(url),
        (error) => error instanceof BrokerError && message.test(error.describe()),
      ),
    );
});
