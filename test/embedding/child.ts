// A program for the tests that kill it: it says on stdout what its job does.
//   child.ts DATABASE [again] [stop]

import { Scheduler, silentLog, sqlite } from "../../src/index.ts";

const [path, ...words] = process.argv.slice(2) as [string, ...string[]];
const scheduler = new Scheduler({ store: sqlite(path), log: silentLog, drain: "5s" });
const hang = scheduler.job(
  "hang",
  async (params: { first: boolean }, { attempt, runId, signal }) => {
    console.log(`run ${attempt} ${runId}`);
    // The first try never ends by itself.
    if (attempt === 1) await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    return params;
  },
  { retryAbandoned: words.includes("again") },
);
scheduler.on("run:*", ({ type }) => console.log(type));
await hang.at("2100-01-01", { first: true }, { name: "hang", conflict: "keep" });
await scheduler.start();
console.log("started");
if (!words.includes("next")) await scheduler.trigger("hang");
if (words.includes("stop")) {
  scheduler.every("100ms", () => Promise.reject(new Error("alone")), { name: "failing" });
  scheduler.on("run:failed", () => {
    console.log(`signals ${process.listenerCount("SIGTERM") + process.listenerCount("SIGINT")}`);
    void scheduler.stop({ drain: 0 }).then((stopped) => console.log(JSON.stringify(stopped)));
  });
}
