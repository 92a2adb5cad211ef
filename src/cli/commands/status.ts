import { defaultBroker } from "../../core/broker-definition.ts";
import { formatDuration, secondMs } from "../../core/time.ts";
import type { ClockReport } from "../../scheduler.ts";
import { notReady, type SchedulerStatus } from "../../schedules.ts";
import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { print, printJson, relative, roughly, utc } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly check: boolean;
  readonly alive: boolean;
}

export const status: Command<Flags> = {
  command: "status",
  describe: "Who leads, how the broker is, and what waits",
  builder: flags({
    ...storeFlag,
    ...jsonFlag,
    check: {
      type: "boolean",
      default: false,
      describe: "Exit with 1 unless a scheduler leads and is ready: its broker is there, its work goes out in time",
    },
    alive: { type: "boolean", default: false, describe: "Exit with 1 unless a scheduler leads, ready or not" },
  }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const found = await scheduler.status();
      if (options.json) printJson(found);
      else for (const line of lines(found, scheduler.now())) print(line);
      const isWell = (!options.check || notReady(found).length === 0) && (!options.alive || found.leader !== undefined);
      return isWell ? 0 : 1;
    }),
};

function* lines({ store, leader, report, entries, outbox }: SchedulerStatus, now: number): Generator<string> {
  yield `database   ${store}`;
  yield leader
    ? `leader     process ${leader.pid} on ${leader.host.split("/")[0]}, for ${roughly(now - leader.acquiredAt)}, term ${leader.token}`
    : "leader     none: no scheduler is running on this database";
  for (const broker of report?.brokers ?? []) {
    const { name, url, available, reason, since, queues, silentMs, unconfirmed } = broker;
    yield `broker     ${name === defaultBroker ? "" : `${name} `}${url}: ${available ? "connected" : `away (${reason})`}, for ${roughly(now - since)}`;
    if (silentMs > secondMs) yield `           ${unconfirmed} messages unconfirmed for ${seconds(silentMs)}`;
    for (const queue of queues)
      yield `           ${queue.reason}; ${queue.waiting} wait, for ${roughly(now - queue.since)}`;
  }
  const counts = Object.entries(entries).filter(([, count]) => count > 0);
  yield `entries    ${counts.length === 0 ? "none" : counts.map(([state, count]) => `${count} ${state}`).join(", ")}`;
  if (report && report.parked.count > 0) yield `parked     ${parkedText(report.parked)}`;
  if (report && report.overdueMs > secondMs) yield `overdue    by ${seconds(report.overdueMs)}`;
  if (outbox.length === 0) yield "outbox     empty";
  for (const { state, reason, count, oldestDueAt } of outbox) {
    yield `outbox     ${count} ${state === "running" ? "running" : "waiting"}, the oldest due ${relative(oldestDueAt, now)}${reason ? `: ${reason}` : ""}`;
  }
  if (report === null) return;
  yield* clockLines(report.clock, now);
  for (const { alert, message, since } of report.alerts.active)
    yield `alert      ${alert}, for ${roughly(now - since)}: ${message}`;
  yield `ready      ${report.alerts.notReady.length === 0 ? "yes" : `no: ${report.alerts.notReady.join("; ")}`}`;
}

function parkedText({ count, entries }: NonNullable<SchedulerStatus["report"]>["parked"]): string {
  const more = count - entries.length;
  return `${count} until their jobs are there: ${entries.map(({ name }) => name).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function* clockLines(clock: ClockReport, now: number): Generator<string> {
  const { steps, lastStepMs, lastStepAt, stops, lastStopMs, lastStopAt, waitingUntil } = clock;
  if (lastStepMs !== null && lastStepAt !== null)
    yield `clock      stepped ${times(steps)}, last ${relative(lastStepAt, now)}, ${lastStepMs > 0 ? "forward" : "back"} by ${formatDuration(Math.abs(lastStepMs))}`;
  if (lastStopMs !== null && lastStopAt !== null)
    yield `clock      the process stood still ${times(stops)}, last ${relative(lastStopAt, now)}, for ${formatDuration(lastStopMs)}`;
  if (waitingUntil !== null)
    yield `clock      put back: what goes by the wall clock waits until ${utc(waitingUntil)}, ${relative(waitingUntil, now)}`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function seconds(ms: number): string {
  return formatDuration(Math.floor(ms / secondMs) * secondMs);
}
