// A local job: a module in or below the schedules folder that exports a function.

import type { JobContext } from "../../src/index.ts";

export async function heartbeat({ fireTime, lateMs, log }: JobContext): Promise<void> {
  log.info(`heartbeat of ${fireTime.toISOString()}, ${lateMs} ms late`);
}
