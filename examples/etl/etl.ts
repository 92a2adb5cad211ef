// An ETL in a thread: the transformation keeps a processor busy for a while, and the timetable here does not notice. In a project
// of yours: from "beatd".

import { Scheduler } from "../../src/index.ts";

await using scheduler = new Scheduler({ jobsDir: import.meta.dirname });

let latestMs = 0;
scheduler.every("100ms", ({ lateMs }) => {
  latestMs = Math.max(latestMs, lateMs);
});
scheduler.every("1h", { job: "./transform.ts#transform" }, { name: "transform", in: "thread", timeout: "10m" });
await scheduler.start();

const run = await scheduler.trigger("transform");
const { rows, tookMs } = (await run.result()) as { rows: number; tookMs: number };
console.log(`${rows} rows in ${tookMs} ms; meanwhile, nothing here was more than ${latestMs} ms late`);
