// A log that can't be written costs lines, which are counted, and nothing else.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
import { test } from "node:test";
import { createLog } from "../src/log.ts";

test("a reader that does not read: the memory that waits is bounded, and what was lost is told when it reads again", async () => {
  const lines: string[] = [];
  let goOn: (() => void) | undefined;
  let isBlocked = true;
  const stream = new Writable({
    decodeStrings: false,
    write(line: string, _, done) {
      lines.push(line);
      if (isBlocked) goOn = done;
      else done();
    },
  });
  const log = createLog({ format: "json", stream });
  const text = "x".repeat(1_000);
  for (let n = 0; n < 5_000; n++) log.info(text);
  await turn();
  assert.ok(stream.writableLength < 2_000_000, `${stream.writableLength} bytes wait`);
  isBlocked = false;
  goOn!();
  await turn();
  log.info("after it");
  await turn();
  const written = lines.map((line) => JSON.parse(line) as { message: string; lost?: number });
  const notice = written.find(({ message }) => message.includes("were lost"))!;
  assert.equal(written.filter(({ message }) => message === text).length + notice.lost!, 5_000);
  assert.equal(written.at(-1)!.message, "after it");
});

test("a disk that is full, and then is not: no error reaches the process, the count is told", async () => {
  const lines: string[] = [];
  let isFull = true;
  // As process.stderr does: it can be written again after an error.
  const stream = Object.assign(new EventEmitter(), {
    write(line: string, done: (error?: Error) => void) {
      const error = isFull ? new Error("no space left on device") : undefined;
      if (!isFull) lines.push(line);
      setImmediate(() => {
        done(error);
        if (error) stream.emit("error", error);
      });
      return true;
    },
  }) as unknown as NodeJS.WritableStream;
  const log = createLog({ format: "json", stream });
  for (let n = 0; n < 10; n++) {
    log.info(`lost ${n}`);
    await turn();
  }
  isFull = false;
  log.info("the first that is written");
  await turn();
  log.info("the second");
  await turn();
  const messages = lines.map((line) => (JSON.parse(line) as { message: string }).message);
  assert.deepEqual(messages, [
    "the first that is written",
    "10 log lines were lost: they were not read, or could not be written.",
    "the second",
  ]);
});

async function turn(): Promise<void> {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
}
