// What is done in one simulation, drawn from its seed: entries, what is changed of them, and what goes wrong. Plain data, so
// that a failing one can be read.

import { Random } from "./random.ts";

export type Written = Readonly<Record<string, unknown>>;

export type Act =
  | { readonly do: "set"; readonly entry: string; readonly definition: Written }
  | { readonly do: "remove" | "pause" | "trigger" | "retry"; readonly entry: string }
  | { readonly do: "resume"; readonly entry: string; readonly from: "now" | "missed" };

export type Trouble =
  | { readonly kind: "crash"; readonly machine: number; readonly points: number; readonly downMs: number }
  | { readonly kind: "restart"; readonly machine: number; readonly downMs: number }
  | { readonly kind: "stop" | "sleep"; readonly machine: number; readonly forMs: number }
  | { readonly kind: "cut"; readonly forMs: number; readonly loses: boolean }
  | { readonly kind: "blocked" | "forgetful" | "refusing" | "no-queue"; readonly forMs: number }
  | { readonly kind: "slow"; readonly forMs: number; readonly byMs: number }
  | { readonly kind: "store"; readonly forMs: number; readonly share: number; readonly permanent: boolean }
  | { readonly kind: "statement"; readonly nth: number; readonly kills: boolean }
  | { readonly kind: "clock"; readonly byMs: number };

export interface Scenario {
  readonly seed: number;
  /** WALL and TRUE time at which it begins. */
  readonly startAt: number;
  readonly store: "memory" | "sqlite";
  readonly machines: number;
  /** All on one host: a dead process is known to be dead. */
  readonly isOneHost: boolean;
  readonly skewMs: number;
  readonly drift: number;
  readonly slowShare: number;
  readonly slowMs: number;
  readonly maxRate: number | undefined;
  /** Troubles and changes come within this time; then all heals. */
  readonly wildMs: number;
  readonly acts: readonly { readonly atMs: number; readonly act: Act }[];
  readonly troubles: readonly { readonly atMs: number; readonly trouble: Trouble }[];
}

const second = 1_000;
const begins = [
  Date.UTC(2027, 0, 4, 11, 58, 30),
  Date.UTC(2027, 5, 30, 23, 58, 50),
  // Berlin's clocks go forward, and back, a moment later.
  Date.UTC(2027, 2, 28, 0, 58, 40),
  Date.UTC(2027, 9, 31, 0, 58, 40),
];

/** `sqliteShare`: of all scenarios, how many run on SQLite. */
export function drawScenario(seed: number, sqliteShare: number): Scenario {
  const random = new Random(seed);
  const store = random.chance(sqliteShare) ? "sqlite" : "memory";
  const wildMs = random.whole(20, 100) * second;
  const isSlow = random.chance(0.3);
  const machines = random.pick([1, 1, 2, 2, 3]);
  const names = ["a", "b", "c", "d", "e"].slice(0, random.whole(1, 5));
  return {
    seed,
    startAt: random.pick(begins) + random.whole(0, 999),
    store,
    machines,
    isOneHost: random.chance(0.5),
    skewMs: random.chance(0.3) ? 40 : 0,
    drift: random.chance(0.3) ? 1e-4 : 0,
    slowShare: isSlow ? random.pick([0.05, 0.3]) : 0,
    slowMs: random.pick([5, 30]),
    maxRate: random.chance(0.1) ? random.pick([5, 50]) : undefined,
    wildMs,
    acts: [
      ...names.map((entry) => ({
        atMs: random.whole(0, 2) * 500,
        act: { do: "set", entry, definition: drawDefinition(random) } as const,
      })),
      ...drawActs(random, names, wildMs),
    ],
    troubles: drawTroubles(random, machines, wildMs, store),
  };
}

function drawActs(random: Random, names: readonly string[], wildMs: number): Scenario["acts"] {
  const count = random.chance(0.4) ? 0 : random.whole(1, 8);
  return Array.from({ length: count }, () => {
    const entry = random.pick(names);
    const act = drawAct(random, entry);
    // On whole seconds, and a little beside them: where fire times are.
    return {
      atMs:
        random.whole(3, wildMs / second) * second + random.pick([0, -1, 1, -200, -300, 20, random.whole(-500, 500)]),
      act,
    };
  });
}

function drawAct(random: Random, entry: string): Act {
  const what = random.pick([
    "set",
    "pause",
    "pause",
    "resume",
    "resume",
    "trigger",
    "trigger",
    "remove",
    "retry",
    "retry",
  ] as const);
  switch (what) {
    case "set":
      return { do: what, entry, definition: drawDefinition(random) };
    case "resume":
      return { do: what, entry, from: random.pick(["now", "missed"]) };
    default:
      return { do: what, entry };
  }
}

function drawTroubles(
  random: Random,
  machines: number,
  wildMs: number,
  store: Scenario["store"],
): Scenario["troubles"] {
  const count = random.chance(0.1) ? 0 : random.whole(1, 6);
  const troubles = Array.from({ length: count }, () => {
    const atMs =
      random.whole(1, wildMs / second) * second + random.pick([0, 3, -100, -249, -251, random.whole(-500, 500)]);
    const trouble = drawTrouble(random, machines, store);
    // Never at the very instant of an act: nobody could tell by their times which of them was first.
    return { atMs: trouble.kind === "clock" ? atMs + 0.5 : atMs, trouble };
  });
  // Two steps of the clock between two looks at it are one to whoever looks, and nobody could tell whether anybody did.
  const isStep = ({ trouble }: Scenario["troubles"][number]) => trouble.kind === "clock";
  return troubles.filter(
    (one, index) =>
      !isStep(one) ||
      !troubles.slice(0, index).some((other) => isStep(other) && Math.abs(other.atMs - one.atMs) < second),
  );
}

function drawTrouble(random: Random, machines: number, store: Scenario["store"]): Trouble {
  const machine = random.whole(0, machines - 1);
  const forMs = random.pick([random.whole(1, 900), random.whole(1_000, 6_000), random.whole(6_000, 25_000)]);
  const kinds = [
    "crash",
    "crash",
    "crash",
    "restart",
    "stop",
    "sleep",
    "cut",
    "cut",
    "blocked",
    "forgetful",
    "no-queue",
    "slow",
    "store",
    "clock",
    "refusing",
  ] as const;
  const kind = store === "sqlite" && random.chance(0.2) ? "statement" : random.pick(kinds);
  switch (kind) {
    case "crash":
      return { kind, machine, points: random.whole(0, 30), downMs: forMs };
    case "restart":
      return { kind, machine, downMs: forMs };
    case "stop":
    case "sleep":
      return { kind, machine, forMs };
    case "cut":
      return { kind, forMs: random.chance(0.3) ? 0 : forMs, loses: random.chance(0.4) };
    case "slow":
      return { kind, forMs, byMs: random.pick([200, 3_000]) };
    case "store":
      return { kind, forMs, share: random.pick([1, 0.5, 0.1]), permanent: random.chance(0.3) };
    case "statement":
      return { kind, nth: random.whole(1, 12), kills: random.chance(0.5) };
    case "clock":
      return { kind, byMs: random.pick([-1, 1]) * random.pick([1_500, 7_000, 20_000, 60_000, 61_234, 3_600_000]) };
    default:
      return { kind, forMs };
  }
}

function drawDefinition(random: Random): Written {
  const isLocal = random.chance(0.15);
  const options = {
    ...(random.chance(0.15) && { expires: random.pick(["next", "5s", "30s"]) }),
    ...(random.chance(0.3) && { queue: "other" }),
    ...(random.chance(0.05) && { retry: false }),
  };
  return {
    ...drawTrigger(random),
    ...(isLocal ? { job: random.pick(["quick", "long"]) } : { task: "t" }),
    ...(!isLocal && Object.keys(options).length > 0 && { options }),
    ...(isLocal && random.chance(0.3) && { overlap: "allow" }),
    ...(random.chance(0.5) && { coalesce: random.pick(["latest", "earliest", "all", "all"]) }),
    ...(random.chance(0.1) && { catch_up_limit: random.pick([1, 2, 5]) }),
    ...(random.chance(0.2) && { misfire_grace_time: random.pick(["1s", "5s", "20s"]) }),
    ...(random.chance(0.15) && { jitter: random.pick(["300ms", "4s", "1m"]) }),
    ...(random.chance(0.1) && { max_runs: random.pick([1, 3, 10]) }),
    ...(random.chance(0.05) && { enabled: false }),
  };
}

function drawTrigger(random: Random): Written {
  const timezone = random.pick(["UTC", "UTC", "Europe/Berlin", "Asia/Kathmandu"]);
  switch (random.pick(["every", "every", "every", "seconds", "seconds", "cron", "crontab"])) {
    case "every":
      return { every: random.pick(["1s", "2s", "5s", "7s", "10s", "30s", "1500ms"]), timezone };
    case "seconds":
      return { cron: random.pick(["* * * * * *", "*/5 * * * * *", "*/10 * * * * *", "7,8,31 * * * * *"]), timezone };
    case "cron":
      return { cron: random.pick(["* * * * *", "*/2 * * * *", "0-5 * * * *"]), timezone };
    default:
      return { crontab: random.pick(["*", "*/2 * * * *"]) === "*" ? { minute: "*" } : "*/2 * * * *", timezone };
  }
}
