import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDefinition } from "../src/core/definition.ts";
import { compileEntry, type Entry } from "../src/core/entry.ts";
import { messageEncoder } from "../src/message-encoder.ts";

const createdAt = Date.UTC(2027, 0, 1, 8, 30);
const entry = (written: Record<string, unknown>): Entry => ({
  id: 1,
  name: "e",
  origin: "cli",
  definition: parseDefinition({ cron: "0 * * * *", task: "a", ...written }),
  createdAt,
  anchorAt: createdAt,
  nextFireAt: null,
  lastFireAt: null,
  runCount: 0,
  pausedAt: null,
  pauseNote: null,
  quarantine: null,
  removedAt: null,
  revision: 1,
});
const encode = messageEncoder({ defaultQueueOf: () => "celery", traced: true });
const sent = (compiled: ReturnType<typeof compileEntry>, hour: number, minute = 0) => {
  const fireAt = Date.UTC(2027, 0, 1, hour, minute);
  const occurrence = { id: `id-${hour}`, fireAt, dueAt: fireAt, manual: false, attempts: 0, reason: null };
  const message = encode(compiled, occurrence);
  return { ...message, args: JSON.parse(message.body.toString())[0] as unknown[] };
};

test("the time before is the schedule's, and none is before the entry was made", () => {
  const compiled = compileEntry(entry({ args: ["{{ previous_fire_time }}"] }));
  assert.deepEqual(sent(compiled, 9).args, [null]);
  assert.deepEqual(sent(compiled, 10).args, ["2027-01-01T09:00:00+00:00"]);
  assert.deepEqual(sent(compiled, 10, 20).args, ["2027-01-01T10:00:00+00:00"], "of a manual run");
  assert.deepEqual(sent(compiled, 10).args, ["2027-01-01T09:00:00+00:00"], "the same when it is built again");
});

test("a traced message's trace is its occurrence, unless the entry gives a trace of its own", () => {
  const id = "7ab0c1d2-0000-5111-8222-0123456789ab";
  const traceOf = (headers: Record<string, unknown>, traced = true) => {
    const compiled = compileEntry(entry({ options: { headers } }));
    const encodeIt = messageEncoder({ defaultQueueOf: () => "celery", traced });
    const fireAt = Date.UTC(2027, 0, 1, 9);
    return encodeIt(compiled, { id, fireAt, dueAt: fireAt }).headers["traceparent"];
  };
  const trace = traceOf({});
  assert.equal(trace, "00-7ab0c1d20000511182220123456789ab-82220123456789ab-01");
  assert.match(String(trace), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.equal(traceOf({ traceparent: "mine" }), "mine");
  assert.equal(traceOf({}, false), undefined);
});

test("expires: next is the time after", () => {
  const compiled = compileEntry(entry({ options: { expires: "next" } }));
  assert.equal(sent(compiled, 9).expiresAt, Date.UTC(2027, 0, 1, 10));
});

test("what is the same in all messages of an entry is made once", () => {
  const plain = compileEntry(entry({ args: [1] }));
  assert.equal(sent(plain, 9).body, sent(plain, 10).body);
});

test("a local run is no message", () => {
  assert.throws(() => sent(compileEntry(entry({ task: undefined, run: "true" })), 9), /a run is not sent to a broker/);
});
