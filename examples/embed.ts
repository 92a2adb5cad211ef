// Recurring work inside your own program: no daemon, no broker, no files. In a project of yours: from "beatd".

import { setTimeout as sleep } from "node:timers/promises";
import { Scheduler } from "../src/index.ts";

await using scheduler = new Scheduler({ timezone: "Europe/Berlin" });

scheduler.every("200ms", () => console.log("tick"), { name: "tick" });

const report = scheduler.cron(
  "0 9 * * 1-5",
  async ({ fireTime }) => console.log(`report of ${fireTime.toISOString()}`),
  {
    timezone: "America/New_York",
  },
);
console.log(
  "the next reports:",
  report
    .next(3)
    .map((time) => time.toISOString())
    .join(", "),
);

scheduler.at(new Date(Date.now() + 1_000), async ({ signal }) => {
  await sleep(10, undefined, { signal });
  console.log("once, and that was it");
  // Not awaited: stop() waits for this very run to end.
  void scheduler.stop();
});

await scheduler.run(); // until stop(), SIGINT or SIGTERM
