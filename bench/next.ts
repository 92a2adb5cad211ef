// Fire times a second: Beat beside the libraries that do the same, on the same schedules, in one run. Each is asked for the
// next fire time of the last one, from 2024 on, again and again. All of them take turns, three rounds long, and the best round of
// each counts. What they name is compared in UTC, so that nobody is measured who does something else.
//
//   npm run bench:next             needs Python 3 with venv, and the network once, for Celery and APScheduler

import { CronExpressionParser } from "cron-parser";
import { parseCronExpression } from "cron-schedule";
import { Cron } from "croner";
import { compileSchedule } from "../src/core/triggers/schedule.ts";
import { nextFireTime } from "../src/core/triggers/trigger.ts";
import { nextFireTimes } from "../src/index.ts";
import { runWithApscheduler } from "./apscheduler.ts";

const specs = ["*/5 * * * *", "0 9 * * 1-5", "0 0 29 2 *", "30 2 * * *"];
const zones = ["UTC", "America/New_York"];
const rounds = 3;
const roundMs = 300;
const compared = 9;
/** Of nextFireTimes, which reads the schedule at each call. */
const perCall = 100;
const from = Date.UTC(2024, 0);
const until = Date.UTC(2064, 0);

// cron-schedule knows the zone of the process alone.
process.env["TZ"] = "UTC";

/** Names at least one fire time, each after the last one, from `from` on and again from there after `until`; the last one, in epoch ms. */
type Chain = (count: number) => number;

const peers: Record<string, (spec: string, zone: string) => Chain | undefined> = {
  beat: (spec, zone) => {
    const trigger = compileSchedule({ cron: spec, timezone: zone }, { name: "", anchorAt: from });
    let at = from;
    return (count) => {
      for (let index = 0; index < count; index++) at = nextFireTime(trigger, at >= until ? from : at)!;
      return at;
    };
  },
  "beat, Dates": (spec, zone) => {
    const schedule = { cron: spec, timezone: zone };
    let after = new Date(from);
    return (count) => {
      for (let left = count; left > 0; left -= perCall) {
        if (after.getTime() >= until) after = new Date(from);
        after = nextFireTimes(schedule, { after, count: Math.min(left, perCall) }).at(-1)!;
      }
      return after.getTime();
    };
  },
  "cron-parser": (spec, zone) => {
    const begin = () => CronExpressionParser.parse(spec, { tz: zone, currentDate: new Date(from) });
    let expression = begin();
    let last = from;
    return (count) => {
      for (let index = 0; index < count; index++) {
        if (last >= until) expression = begin();
        last = expression.next().getTime();
      }
      return last;
    };
  },
  croner: (spec, zone) => {
    const cron = new Cron(spec, { timezone: zone, paused: true });
    return again((at) => cron.nextRun(new Date(at))!.getTime());
  },
  "cron-schedule": (spec, zone) => {
    if (zone !== "UTC") return undefined;
    const cron = parseCronExpression(spec);
    return again((at) => cron.getNextDate(new Date(at)).getTime());
  },
};

function again(next: (at: number) => number): Chain {
  let at = from;
  return (count) => {
    for (let index = 0; index < count; index++) at = next(at >= until ? from : at);
    return at;
  };
}

/** Fire times a second. */
function rateOf(chain: Chain): number {
  let batch = 1;
  let count = 0;
  let elapsedMs = 0;
  for (const start = performance.now(); elapsedMs < roundMs; ) {
    const before = elapsedMs;
    chain(batch);
    count += batch;
    elapsedMs = performance.now() - start;
    if (elapsedMs - before < 5 && batch < 65_536) batch *= 2;
  }
  return (count / elapsedMs) * 1_000;
}

interface Measured {
  readonly rate: number;
  /** The fire time number `compared` after `from`, epoch ms. */
  readonly reached: number;
}

/** By peer, then by zone and spec. */
type Table = Record<string, Record<string, Measured>>;

async function measurePython(): Promise<Table> {
  const input = JSON.stringify({ specs, zones, roundMs, compared, from: from / 1_000, until: until / 1_000 });
  return JSON.parse(await runWithApscheduler("next_peers.py", [input])) as Table;
}

const keyOf = (zone: string, spec: string): string => `${zone} ${spec}`;
const chains = Object.entries(peers).flatMap(([name, make]) =>
  zones.flatMap((zone) =>
    specs.flatMap((spec) => {
      const chain = make(spec, zone);
      const reached = make(spec, zone)?.(compared);
      return chain === undefined || reached === undefined ? [] : [{ name, key: keyOf(zone, spec), chain, reached }];
    }),
  ),
);
const table: Table = {};
const keep = (name: string, key: string, { rate, reached }: Measured): void => {
  const best = Math.max(rate, table[name]?.[key]?.rate ?? 0);
  table[name] = { ...table[name], [key]: { rate: best, reached } };
};
for (let round = 0; round < rounds; round++) {
  for (const { name, key, chain, reached } of chains) keep(name, key, { rate: rateOf(chain), reached });
  for (const [name, measured] of Object.entries(await measurePython()))
    for (const [key, each] of Object.entries(measured)) keep(name, key, each);
}

for (const [name, measured] of Object.entries(table)) {
  for (const spec of specs) {
    const [own, beat] = [measured[keyOf("UTC", spec)]?.reached, table["beat"]![keyOf("UTC", spec)]!.reached];
    if (own === beat) continue;
    throw new Error(`${name} names other fire times of ${spec}: number ${compared} is ${own}, and not ${beat}`);
  }
}

const shown = (rate: number): string =>
  rate >= 1e6
    ? `${(rate / 1e6).toFixed(1)} M`
    : rate >= 1e4
      ? `${Math.round(rate / 1e3)} k`
      : `${(rate / 1e3).toFixed(1)} k`;
const names = Object.keys(table);
const width = 19;
console.log(
  `Fire times a second (and how many times as many Beat names). Node ${process.version}, best of ${rounds}.\n`,
);
console.log(["".padEnd(31), ...names.map((name) => name.padEnd(width))].join(""));
for (const zone of zones) {
  for (const spec of specs) {
    const key = keyOf(zone, spec);
    const beat = table["beat"]![key]!.rate;
    const cells = names.map((name) => {
      const rate = table[name]![key]?.rate;
      if (rate === undefined) return "no zones".padEnd(width);
      return (
        name === "beat" ? shown(rate) : `${shown(rate)} (${(beat / rate).toFixed(beat / rate < 10 ? 1 : 0)}×)`
      ).padEnd(width);
    });
    console.log([`${zone} ${spec}`.padEnd(31), ...cells].join(""));
  }
}
const rates = Object.values(table["beat"]!).map(({ rate }) => rate);
const zoneAware = names.filter((name) => !name.startsWith("beat") && name !== "cron-schedule");
const ratios = zoneAware.flatMap((name) =>
  Object.entries(table[name]!).map(([key, { rate }]) => table["beat"]![key]!.rate / rate),
);
console.log(
  `\nBeat: at least ${shown(Math.min(...rates))} a second; at least ${Math.floor(Math.min(...ratios))} times as many as any that knows zones.`,
);
