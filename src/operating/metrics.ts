// What Prometheus reads. Nothing is counted here: each metric is a look at what the engine counts and the database holds, made
// when it is asked for. No entry's name is a label, so that a million entries are no more series than one.

import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Instant } from "../core/time.ts";

type Counts = Readonly<Record<string, number>>;

interface Lateness {
  readonly boundsMs: readonly number[];
  /** One for each bound, and one for what was later. */
  readonly counts: readonly number[];
  readonly sumMs: number;
}

interface BrokerFigures {
  readonly name: string;
  readonly available: boolean;
  readonly unconfirmed: number;
  readonly waiting: number;
  readonly queues: readonly unknown[];
}

/** What this process says of itself. */
export interface OwnFigures {
  readonly leading: boolean;
  readonly ready: boolean;
  readonly overdueMs: number;
  readonly ticks: number;
  readonly running: number;
  readonly runsWaiting: number;
  readonly brokers: readonly BrokerFigures[];
  readonly totals: {
    readonly occurrences: Counts;
    readonly publishes: Counts;
    readonly storeErrors: Counts;
    readonly terms: Counts;
    readonly connections: number;
    readonly lateness: Readonly<Record<string, Lateness>>;
  };
  readonly clock: { readonly steps: number; readonly stepsBack: number; readonly stops: number };
  readonly alerts: { readonly raised: Counts; readonly active: readonly { readonly alert: string }[] };
}

/** What the database says. */
export interface StoreFigures {
  readonly leader: { readonly token: number } | undefined;
  readonly nextFireAt: Instant | null;
  readonly entries: Counts;
  readonly outbox: readonly {
    readonly state: "claimed" | "running";
    readonly count: number;
    readonly oldestDueAt: Instant;
  }[];
}

export interface Figures {
  readonly now: Instant;
  /** Undefined before the scheduler is ready to begin. */
  readonly own: OwnFigures | undefined;
  /** Undefined where the database can't be read now. */
  readonly store: StoreFigures | undefined;
}

function rowsIn({ outbox }: StoreFigures, wanted: "claimed" | "running"): number {
  return outbox.filter(({ state }) => state === wanted).reduce((sum, { count }) => sum + count, 0);
}

/** `read`: one value or, with `label`, one for each value of the label; undefined: nothing is known. */
interface Metric {
  readonly type: typeof Counter | typeof Gauge;
  readonly name: string;
  readonly help: string;
  readonly label?: string;
  readonly read: (figures: Figures) => number | Counts | undefined;
}

const byBroker = (own: OwnFigures | undefined, read: (broker: BrokerFigures) => number): Counts | undefined =>
  own && Object.fromEntries(own.brokers.map((broker) => [broker.name, read(broker)]));

const metrics: readonly Metric[] = [
  {
    type: Counter,
    name: "beat_occurrences_total",
    help: "Fire times by what became of them.",
    label: "outcome",
    read: ({ own }) => own?.totals.occurrences,
  },
  {
    type: Counter,
    name: "beat_publishes_total",
    help: "What the broker answered to messages.",
    label: "result",
    read: ({ own }) => own?.totals.publishes,
  },
  {
    type: Gauge,
    name: "beat_outbox_rows",
    help: "Runs that were decided and are not done.",
    label: "state",
    read: ({ store }) => store && { claimed: rowsIn(store, "claimed"), running: rowsIn(store, "running") },
  },
  {
    type: Gauge,
    name: "beat_outbox_oldest_age_seconds",
    help: "For how long the oldest run that has not begun has been due.",
    read: ({ store, now }) =>
      store?.outbox
        .filter(({ state }) => state === "claimed")
        .reduce((age, { oldestDueAt }) => Math.max(age, (now - oldestDueAt) / 1_000), 0),
  },
  {
    type: Gauge,
    name: "beat_entries",
    help: "Entries by state.",
    label: "state",
    read: ({ store }) => store?.entries,
  },
  {
    type: Gauge,
    name: "beat_next_fire_timestamp_seconds",
    help: "When the next entry fires, since the epoch.",
    read: ({ store }) => (store?.nextFireAt == null ? undefined : store.nextFireAt / 1_000),
  },
  {
    type: Gauge,
    name: "beat_overdue_seconds",
    help: "For how long the most overdue entry has waited to be decided.",
    read: ({ own }) => own && own.overdueMs / 1_000,
  },
  {
    type: Gauge,
    name: "beat_ready",
    help: "Whether a scheduler leads and its work goes out in time, as /readyz says.",
    read: ({ own }) => own && Number(own.ready),
  },
  {
    type: Gauge,
    name: "beat_leader",
    help: "Whether this process leads.",
    read: ({ own }) => own && Number(own.leading),
  },
  {
    type: Gauge,
    name: "beat_lease_term",
    help: "The term of whoever leads: it grows with each takeover.",
    read: ({ store }) => store?.leader?.token,
  },
  {
    type: Counter,
    name: "beat_lease_terms_total",
    help: "Terms that were seen to begin: of this process, and of others.",
    label: "holder",
    read: ({ own }) => own?.totals.terms,
  },
  {
    type: Counter,
    name: "beat_ticks_total",
    help: "How often the dispatcher's loop went round.",
    read: ({ own }) => own?.ticks,
  },
  {
    type: Counter,
    name: "beat_clock_steps_total",
    help: "Jumps of the wall clock.",
    label: "direction",
    read: ({ own }) => own && { forward: own.clock.steps - own.clock.stepsBack, back: own.clock.stepsBack },
  },
  {
    type: Counter,
    name: "beat_process_stops_total",
    help: "How often the process stood still: stopped, suspended, or its event loop blocked.",
    read: ({ own }) => own?.clock.stops,
  },
  {
    type: Counter,
    name: "beat_alerts_total",
    help: "Alerts that were raised.",
    label: "alert",
    read: ({ own }) => own?.alerts.raised,
  },
  {
    type: Gauge,
    name: "beat_alerts_open",
    help: "Whether the alert is open.",
    label: "alert",
    read: ({ own }) =>
      own && {
        ...Object.fromEntries(Object.keys(own.alerts.raised).map((alert) => [alert, 0])),
        ...Object.fromEntries(own.alerts.active.map(({ alert }) => [alert, 1])),
      },
  },
  {
    type: Gauge,
    name: "beat_broker_up",
    help: "Whether the broker takes messages.",
    label: "broker",
    read: ({ own }) => byBroker(own, ({ available }) => Number(available)),
  },
  {
    type: Counter,
    name: "beat_broker_connections_total",
    help: "Connections that came about, reconnects among them.",
    read: ({ own }) => own?.totals.connections,
  },
  {
    type: Gauge,
    name: "beat_broker_unconfirmed_messages",
    help: "Messages that the broker has not confirmed yet.",
    label: "broker",
    read: ({ own }) => byBroker(own, ({ unconfirmed }) => unconfirmed),
  },
  {
    type: Gauge,
    name: "beat_broker_waiting_messages",
    help: "Messages in memory that are still to be sent.",
    label: "broker",
    read: ({ own }) => byBroker(own, ({ waiting }) => waiting),
  },
  {
    type: Gauge,
    name: "beat_broker_troubled_queues",
    help: "Queues that can't take their messages now.",
    label: "broker",
    read: ({ own }) => byBroker(own, ({ queues }) => queues.length),
  },
  {
    type: Gauge,
    name: "beat_runs_active",
    help: "Local runs that go on.",
    read: ({ own }) => own?.running,
  },
  {
    type: Gauge,
    name: "beat_runs_waiting",
    help: "Local runs that wait: for their time, for a runner, or for the run before.",
    read: ({ own }) => own?.runsWaiting,
  },
  {
    type: Gauge,
    name: "beat_store_up",
    help: "Whether the schedule database could be read just now.",
    read: ({ own, store }) => own && Number(store !== undefined),
  },
  {
    type: Counter,
    name: "beat_store_errors_total",
    help: "Failed reads and writes of the schedule database, by what they were for.",
    label: "work",
    read: ({ own }) => own?.totals.storeErrors,
  },
];

const latenessName = "beat_lateness_seconds";
const buildName = "beat_build_info";
/** All but those of the process. */
export const metricNames: readonly string[] = [...metrics.map(({ name }) => name), latenessName, buildName];

/** What this build is: version of Beat, of Node, of the time-zone data. */
export type BuildInfo = Readonly<Record<string, string>>;

export class Metrics {
  readonly #registry = new Registry();
  readonly #figures: () => Promise<Figures>;
  #now: Figures | undefined;

  constructor(build: BuildInfo, figures: () => Promise<Figures>) {
    this.#figures = figures;
    for (const metric of metrics) this.#register(metric);
    const registers = [this.#registry];
    const info = { name: buildName, help: "What runs here.", labelNames: Object.keys(build), registers };
    new Gauge(info).set(build, 1);
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    this.#now = await this.#figures();
    const { own } = this.#now;
    return `${await this.#registry.metrics()}\n${own === undefined ? "" : latenessText(own.totals.lateness)}`;
  }

  #register({ type: Type, name, help, label, read }: Metric): void {
    const labelNames = label === undefined ? [] : [label];
    const metric: Counter<string> | Gauge<string> = new Type({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        const value = this.#now && read(this.#now);
        metric.reset();
        if (typeof value === "number") metric.inc(value);
        else if (value !== undefined)
          for (const [key, count] of Object.entries(value)) metric.inc({ [label!]: key }, count);
        // After a reset it stands at 0: what is not known has no value.
        else if (label === undefined) metric.remove();
      },
    });
  }
}

/** In Prometheus' text format: prom-client's own histogram has to be told of each observation, and this was counted already. */
function latenessText(kinds: OwnFigures["totals"]["lateness"]): string {
  const name = latenessName;
  const series = Object.entries(kinds).flatMap(([kind, { boundsMs, counts, sumMs }]) => {
    let count = 0;
    const buckets = counts.map((more, index) => {
      count += more;
      const bound = index < boundsMs.length ? boundsMs[index]! / 1_000 : "+Inf";
      return `${name}_bucket{kind="${kind}",le="${bound}"} ${count}`;
    });
    return [...buckets, `${name}_sum{kind="${kind}"} ${sumMs / 1_000}`, `${name}_count{kind="${kind}"} ${count}`];
  });
  const help = "From the due time to the broker's confirmation, and to the beginning of a local run.";
  return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...series, ""].join("\n");
}
