import { formatDuration, minuteMs } from "../../core/time.ts";
import type { SchedulerStatus } from "../../scheduler.ts";
import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { print, printJson, relative } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly check: boolean;
}

const overdueLimitMs = minuteMs;

export const status: Command<Flags> = {
  command: "status",
  describe: "Who leads, how the broker is, and what waits",
  builder: flags({
    ...storeFlag,
    ...jsonFlag,
    check: {
      type: "boolean",
      default: false,
      describe: "Exit with 1 unless a scheduler leads and nothing is overdue by a minute",
    },
  }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const found = await scheduler.status();
      if (options.json) printJson(found);
      else for (const line of lines(found, scheduler.now())) print(line);
      const healthy = found.report !== null && found.report.overdueMs < overdueLimitMs;
      return options.check && !healthy ? 1 : 0;
    }),
};

function* lines({ store, leader, report, entries, outbox }: SchedulerStatus, now: number): Generator<string> {
  yield `database   ${store}`;
  yield leader
    ? `leader     process ${leader.pid} on ${leader.host.split("/")[0]}, since ${relative(leader.acquiredAt, now)}, term ${leader.token}`
    : "leader     none: no scheduler is running on this database";
  if (report?.broker) {
    const { url, available, reason, since, queues } = report.broker;
    yield `broker     ${url}: ${available ? "connected" : `away (${reason})`}, since ${relative(since, now)}`;
    for (const queue of queues)
      yield `           queue "${queue.queue}": ${queue.reason}; ${queue.waiting} wait, since ${relative(queue.since, now)}`;
  }
  const counts = Object.entries(entries).filter(([, count]) => count > 0);
  yield `entries    ${counts.length === 0 ? "none" : counts.map(([state, count]) => `${count} ${state}`).join(", ")}`;
  if (report && report.overdueMs > 1_000) yield `overdue    by ${formatDuration(report.overdueMs)}`;
  if (outbox.length === 0) yield "outbox     empty";
  for (const { state, reason, count, oldestDueAt } of outbox) {
    yield `outbox     ${count} ${state === "running" ? "running" : "waiting"}, the oldest due ${relative(oldestDueAt, now)}${reason ? `: ${reason}` : ""}`;
  }
}
