// About 12 messages a second, of every kind of policy, as the peers were measured with.

export interface Named {
  readonly name: string;
  readonly definition: Readonly<Record<string, unknown>>;
}

/** Their first fire times are at `startAt` or after it. */
export function timetable(queue: string, startAt: number): Named[] {
  const common = { start_at: new Date(startAt).toISOString(), task: "a.task", options: { queue } };
  const several = (count: number, name: string, definition: object) =>
    Array.from({ length: count }, (_, n) => ({ name: `${name}-${n}`, definition: { ...definition, ...common } }));
  return [
    ...several(5, "second", { every: "1s" }),
    ...several(2, "second-all", { every: "1s", coalesce: "all" }),
    ...several(1, "second-earliest", { every: "1s", coalesce: "earliest" }),
    ...several(1, "second-grace", { every: "1s", misfire_grace_time: "3s" }),
    ...several(1, "second-cron", { cron: "* * * * * *" }),
    ...several(8, "five", { every: "5s" }),
    ...several(2, "five-jitter", { every: "5s", jitter: "2s" }),
    ...several(2, "thirty", { every: "30s" }),
    ...several(1, "thirty-cron", { cron: "*/30 * * * * *", coalesce: "all" }),
    ...several(1, "minute", { crontab: "* * * * *" }),
  ];
}
