// The metrics as Prometheus reads them: what the engine and the database say, under names and units that follow its conventions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { rules } from "../../src/dispatch/alerts.ts";
import { Metrics, type OwnFigures } from "../../src/operating/metrics.ts";
import { World } from "../dispatch/world.ts";

const second = 1_000;
const minute = 60 * second;
const build = { version: "1.2.3", node: "24.0.0", time_zone_data: "2027a" };

interface Family {
  readonly type: string;
  /** By name and labels, as they are written. */
  readonly samples: Map<string, number>;
}

/** Prometheus' text format, read strictly: each line is what it may be, each sample belongs to the family before it. */
function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let last: { readonly name: string; readonly family: Family } | undefined;
  assert.ok(text.endsWith("\n"));
  for (const line of text.split("\n").filter((each) => each !== "" && !each.startsWith("# HELP "))) {
    const [, name, type] = /^# TYPE (\w+) (counter|gauge|histogram|summary)$/.exec(line) ?? [];
    if (name !== undefined) {
      assert.ok(!families.has(name), `${name} comes twice`);
      last = { name, family: { type: type!, samples: new Map() } };
      families.set(name, last.family);
      continue;
    }
    const found = /^((\w+)(?:\{\w+="[^"\\\n]*"(?:,\w+="[^"\\\n]*")*\})?) (\S+)$/.exec(line);
    assert.ok(found, line);
    const [, series, metric, value] = found;
    assert.ok(metric === last?.name || /_(bucket|sum|count)$/.test(metric!.slice(last!.name.length)), line);
    assert.ok(value === "Nan" || Number.isFinite(Number(value)), line);
    assert.ok(!last!.family.samples.has(series!), `${series} comes twice`);
    last!.family.samples.set(series!, Number(value));
  }
  return families;
}

/** What a world's engine and store say, as the scheduler puts it together. */
async function scraped(world: World, engine: ReturnType<World["engine"]>): Promise<Map<string, Family>> {
  const metrics = new Metrics(build, async () => ({
    now: world.clock.now(),
    own: { ...engine.report(), leading: engine.leading, ready: true },
    store: {
      leader: await world.store.currentLease(),
      nextFireAt: world.clock.now() + 30_500,
      entries: await world.store.countEntries(),
      outbox: await world.store.outboxSummary(),
    },
  }));
  assert.match(metrics.contentType, /^text\/plain; version=0\.0\.4/);
  return parse(await metrics.text());
}

const sample = (families: Map<string, Family>, series: string) =>
  families.get(/^\w+/.exec(series)![0].replace(/_(bucket|sum|count)$/, ""))?.samples.get(series);

test("what was done, what waits, and who leads", async () => {
  const world = new World();
  await world.add("ping", { every: "1m", task: "a.ping" });
  await world.add("job", { every: "1m", run: "true" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(minute + second);
  world.broker.listener.unavailable("gone", false);
  await world.clock.advance(minute + second);
  const found = await scraped(world, engine);
  const expected = {
    'beat_occurrences_total{outcome="published"}': 1,
    'beat_occurrences_total{outcome="ran"}': 2,
    'beat_occurrences_total{outcome="failed"}': 0,
    'beat_publishes_total{result="confirmed"}': 1,
    'beat_lateness_seconds_bucket{kind="message",le="0.005"}': 1,
    'beat_lateness_seconds_bucket{kind="message",le="+Inf"}': 1,
    'beat_lateness_seconds_count{kind="run"}': 2,
    'beat_outbox_rows{state="claimed"}': 1,
    'beat_outbox_rows{state="running"}': 0,
    beat_outbox_oldest_age_seconds: 2,
    'beat_entries{state="active"}': 2,
    'beat_entries{state="quarantined"}': 0,
    beat_next_fire_timestamp_seconds: world.clock.now() / second + 30.5,
    beat_leader: 1,
    beat_lease_term: 1,
    'beat_lease_terms_total{holder="own"}': 1,
    'beat_clock_steps_total{direction="back"}': 0,
    'beat_broker_up{broker="default"}': 0,
    beat_broker_connections_total: 1,
    'beat_broker_waiting_messages{broker="default"}': 1,
    beat_runs_active: 0,
    'beat_store_errors_total{work="tick"}': 0,
    beat_store_up: 1,
    'beat_build_info{version="1.2.3",node="24.0.0",time_zone_data="2027a"}': 1,
  };
  for (const [series, value] of Object.entries(expected)) assert.equal(sample(found, series), value, series);
  assert.ok(sample(found, "beat_ticks_total")! > 0);
  assert.ok(sample(found, "process_resident_memory_bytes")! > 0);
  await engine.stop(0);
});

test("names say what they count and in which unit, and no label holds what a user wrote", async () => {
  const world = new World();
  await world.add("secret-name", { every: "1m", task: "a.ping", options: { queue: "secret-queue" } });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(minute + second);
  for (const [name, { type, samples }] of await scraped(world, engine)) {
    if (!name.startsWith("beat_")) continue;
    assert.equal(type === "counter", name.endsWith("_total"), name);
    assert.doesNotMatch(name, /_(ms|milliseconds|minutes)/);
    assert.ok(samples.size > 0, name);
    assert.ok(samples.size < 50, name);
    assert.doesNotMatch([...samples.keys()].join(), /secret/);
  }
  await engine.stop(0);
});

test("every alert has its count and whether it is open", async () => {
  const world = new World();
  await world.add("ping", { every: "1m", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(second);
  const calm = await scraped(world, engine);
  for (const alert of Object.keys(rules)) {
    assert.equal(sample(calm, `beat_alerts_total{alert="${alert}"}`), 0, alert);
    assert.equal(sample(calm, `beat_alerts_open{alert="${alert}"}`), 0, alert);
  }
  world.broker.listener.unavailable("gone", false);
  await world.clock.advance(20 * second);
  const away = await scraped(world, engine);
  assert.equal(sample(away, 'beat_alerts_total{alert="broker"}'), 1);
  assert.equal(sample(away, 'beat_alerts_open{alert="broker"}'), 1);
  world.broker.listener.available();
  await world.clock.advance(minute);
  const over = await scraped(world, engine);
  assert.equal(sample(over, 'beat_alerts_total{alert="broker"}'), 1);
  assert.equal(sample(over, 'beat_alerts_open{alert="broker"}'), 0);
  await engine.stop(0);
});

test("what is not known has no value, and a value that went is gone", async () => {
  const world = new World();
  const engine = world.engine();
  const own: OwnFigures = { ...engine.report(), leading: false, ready: false };
  const leader = { token: 7 };
  const known = { now: 0, own, store: { leader, nextFireAt: 5_000, entries: { active: 1 }, outbox: [] } };
  let figures: ConstructorParameters<typeof Metrics>[1] = async () => known;
  const metrics = new Metrics(build, () => figures());
  assert.equal(sample(parse(await metrics.text()), "beat_lease_term"), 7);
  figures = async () => ({ ...known, store: undefined });
  const without = parse(await metrics.text());
  for (const gone of ["beat_lease_term", "beat_next_fire_timestamp_seconds", 'beat_entries{state="active"}'])
    assert.equal(sample(without, gone), undefined, gone);
  assert.equal(sample(without, "beat_store_up"), 0);
  figures = async () => ({ now: 0, own: undefined, store: undefined });
  const starting = parse(await metrics.text());
  assert.equal(sample(starting, "beat_leader"), undefined);
  assert.ok(starting.has("beat_build_info"));
});
