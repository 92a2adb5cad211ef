// What the compiler takes and what it refuses, as programs meet it: nothing here runs. `npm run types` fails where a line that
// must be refused is taken, or the other way round.

import { defineJob, type EntryHandle, type Run, Scheduler, sqlite } from "../../src/index.ts";

declare function exactly<Wanted>(): <Given>(value: Given) => [Given, Wanted] extends [Wanted, Given] ? true : false;
/** Both ways: neither wider nor narrower. */
const is = <Result extends true>(_: Result): void => {};

const scheduler = new Scheduler({ timezone: "Europe/Berlin", store: sqlite("jobs.sqlite") });

// --------------------------------------------------------------------------------------------- closures, in memory

scheduler.every("30s", () => {});
scheduler.every(30, async ({ signal, entry, fireTime, lateMs, missedCount, attempt, log, runId }) => {
  is(exactly<AbortSignal>()(signal));
  is(exactly<string>()(entry.name));
  is(exactly<Date>()(fireTime));
  is(exactly<number>()(lateMs + missedCount + attempt));
  log.info(runId);
});
scheduler.cron("0 3 * * *", () => {}, { overlap: "skip", timeout: "1h", misfireGraceTime: "6h", conflict: "keep" });
scheduler.at(new Date(), () => {});
scheduler.at(["2027-01-01T09:00", new Date()], { run: ["true"] }, { startAt: new Date() });
is(exactly<Date[]>()(scheduler.crontab({ minute: 1 }, { task: "a.b" }, { args: [1] }).next(5)));
// @ts-expect-error no such policy
scheduler.every("30s", () => {}, { overlap: "sometimes" });
// @ts-expect-error keys are in camelCase
scheduler.every("30s", () => {}, { misfire_grace_time: "1h" });
// @ts-expect-error no work
scheduler.every("30s");
// @ts-expect-error not a work
scheduler.every("30s", { tasks: "a.b" });

// ------------------------------------------------------------------------------------------------------------- jobs

const report = scheduler.job("report", async (p: { org: string; days?: number }, ctx) => `${p.org} ${ctx.runId}`, {
  retries: 3,
  retryIf: (error, attempt) => error instanceof TypeError && attempt < 3,
  timeout: "10m",
  maxInstances: 2,
});

const added = report.cron("0 8 * * mon-fri", { org: "a" }, { name: "report:a", coalesce: "latest", jitter: "2m" });
is(exactly<Promise<EntryHandle<{ org: string; days?: number }, string>>>()(added));
report.every("1h", { org: "a", days: 3 });
report.schedule({ calendar: { months: 1 } }, { org: "a" });
report.schedule({ rrule: "FREQ=DAILY", timezone: "UTC" }, { org: "a" });
const all = await report.addAll([{ name: "a", at: new Date(), params: { org: "a" }, overlap: "queue" }], {
  conflict: "keep",
});
is(exactly<EntryHandle<{ org: string; days?: number }, string>[]>()(all));
// @ts-expect-error the params are not those of the job
report.addAll([{ at: new Date(), params: { orgs: "a" } }]);
// @ts-expect-error this job takes params
report.addAll([{ at: new Date() }]);
// @ts-expect-error what becomes of names that are taken is said once for all
report.addAll([{ at: new Date(), params: { org: "a" }, conflict: "keep" }]);
const run = await report.trigger({ org: "b" });
is(exactly<Run<string>>()(run));
is(exactly<string>()(await run.result()));
is(exactly<string>()(await (await (await added).trigger({ org: "c" })).result()));
await (await added).trigger();
// @ts-expect-error the params are not those of the job
report.trigger({ org: 1 });
// @ts-expect-error nor are these
report.cron("0 8 * * *", { orgs: "a" });
// @ts-expect-error this job takes params
report.trigger();
// @ts-expect-error and here
report.every("1m");
// @ts-expect-error no such trigger
report.schedule({ sometimes: "1m" }, { org: "a" });

const tidy = scheduler.job("tidy", () => 7);
tidy.every("10m");
tidy.every("10m", undefined, { name: "tidy" });
is(exactly<Run<number>>()(await tidy.trigger()));
// @ts-expect-error this one takes none
tidy.trigger({ org: "a" });

interface Params {
  readonly ids: readonly number[];
  readonly note: string | null;
}
const shared = defineJob("shared", ({ ids }: Params) => ids.length, { overlap: "queue" });
is(exactly<number>()(await (await scheduler.job(shared).trigger({ ids: [1], note: null })).result()));
scheduler.job("anything", (_: unknown) => {}).trigger({ whatever: 1 });

// What JSON can't carry is refused where the job is made.
// @ts-expect-error a Date
defineJob("date", (_: { when: Date }) => {});
// @ts-expect-error a Map
scheduler.job("map", (_: { by: Map<string, number> }) => {});
// @ts-expect-error a function
scheduler.job("function", (_: { then: () => void }) => {});
// @ts-expect-error a bigint, deep within
scheduler.job("bigint", (_: { list: { n: bigint }[] }) => {});
// @ts-expect-error no such option
scheduler.job("option", () => {}, { retry: 3 });
// @ts-expect-error what an entry has is not the job's
scheduler.job("name", () => {}, { name: "x" });

// ----------------------------------------------------------------------------------------------------------- events

scheduler.on("run:failed", ({ entry, error, reason, attempt }) => {
  is(exactly<string>()(entry.name));
  is(exactly<unknown>()(error));
  is(exactly<string>()(reason));
  is(exactly<number>()(attempt));
});
scheduler.once("scheduler:stopped", ({ finished, aborted }) => is(exactly<number>()(finished + aborted)));
scheduler.on("entry:parked", ({ reason, entry }) => void [reason, entry.id]);
scheduler.on("alert", ({ alert, state }) => void [alert, state]);
scheduler.on("run:*", (event) => {
  if (event.type === "run:succeeded") void event.result;
  // @ts-expect-error only a run that succeeded has a result
  void event.result;
});
for await (const event of scheduler.events("run:*")) is(exactly<string>()(event.entry.name));
for await (const event of scheduler.events()) if (event.type === "scheduler:leading") void event.at;
// @ts-expect-error no such event
scheduler.on("run:fails", () => {});
// @ts-expect-error no such kind
scheduler.events("runs:*");

// ------------------------------------------------------------------------------------------- what is done to entries

await scheduler.resume("a", { from: "missed" });
// @ts-expect-error no such place to go on from
await scheduler.resume("a", { from: "yesterday" });
await scheduler.reschedule("a", { cron: "0 9 * * *" });
is(exactly<Date[]>()(await scheduler.next("a", 3)));
const { finished, aborted } = await scheduler.stop({ drain: "30s" });
is(exactly<number>()(finished + aborted));
const [first] = await scheduler.runs({ entry: "a", state: ["failed", "abandoned"], limit: 5 });
is(exactly<unknown>()(await first!.result()));
