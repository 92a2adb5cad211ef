// One readable line for each dispatch and run; in a burst, one for the lot. A log must not cost more than the work.

import type { Clock, Log } from "../core/ports.ts";
import { formatDuration } from "../core/time.ts";
import type { Held } from "./outbox.ts";

const gatherMs = 25;
const linesAtMost = 20;

interface Published {
  readonly held: Held;
  readonly lateMs: number;
}

export class Narrator {
  readonly #clock: Clock;
  readonly #log: Log;
  #published: Published[] = [];

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  published(held: Held, lateMs: number): void {
    if (this.#published.push({ held, lateMs }) === 1) this.#clock.setTimer(gatherMs, () => this.#tell());
  }

  retried(held: Held, reason: string): void {
    const { name } = held.compiled.entry;
    this.#log.warn(`${name}: ${reason}`, { entry: name, id: held.id, reason });
  }

  settled(held: Held, outcome: "ran" | "failed" | "skipped" | "missed" | "cancelled", reason: string | null): void {
    const { name } = held.compiled.entry;
    const fields = {
      entry: name,
      id: held.id,
      fireTime: new Date(held.fireAt).toISOString(),
      ...(reason && { reason }),
    };
    const startedAt = held.startedAt ?? this.#clock.now();
    const tookMs = this.#clock.now() - startedAt;
    if (outcome === "ran")
      this.#log.info(`ran ${name} in ${formatDuration(tookMs)}`, { ...fields, lateMs: startedAt - held.dueAt, tookMs });
    else
      this.#log[outcome === "failed" ? "error" : "warn"](`${outcome} ${name}: ${reason ?? "no reason given"}`, fields);
  }

  #tell(): void {
    const batch = this.#published;
    this.#published = [];
    if (batch.length <= linesAtMost) {
      for (const { held, lateMs } of batch) {
        const { name } = held.compiled.entry;
        this.#log.info(`sent ${name}${whereTo(held)}`, {
          entry: name,
          id: held.id,
          queue: held.message?.queue,
          fireTime: new Date(held.fireAt).toISOString(),
          lateMs,
        });
      }
      return;
    }
    const late = batch.map(({ lateMs }) => lateMs).sort((a, b) => a - b);
    const at = (share: number) => late[Math.floor((late.length - 1) * share)]!;
    this.#log.info(
      `sent ${batch.length} messages, half of them within ${formatDuration(at(0.5))} of their time, all within ${formatDuration(at(1))}`,
      {
        count: batch.length,
        lateMsP50: at(0.5),
        lateMsP99: at(0.99),
        lateMsMax: at(1),
      },
    );
  }
}

function whereTo({ compiled: { target }, message }: Held): string {
  if (target.kind === "task") return ` → ${target.task}`;
  return target.kind === "http" ? ` → ${target.method} ${message?.queue}` : "";
}
