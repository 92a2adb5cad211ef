// What a scheduler shows over HTTP: its metrics, whether it is alive, whether it is ready.

import { reasonOf } from "./core/errors.ts";
import { maskUrl } from "./core/mask.ts";
import type { Clock, Log } from "./core/ports.ts";
import type { EngineReport } from "./dispatch/engine.ts";
import { type Address, Endpoint, json } from "./operating/endpoint.ts";
import { Metrics } from "./operating/metrics.ts";
import type { Health } from "./scheduler.ts";
import { notReady, type SchedulerStatus } from "./schedules.ts";
import { versions } from "./versions.ts";

export interface MonitoringOptions {
  readonly address: Address;
  readonly clock: Clock;
  readonly log: Log;
  readonly health: () => Health;
  /** Undefined before the engine is there. */
  readonly report: () => EngineReport | undefined;
  /** As `beat status` shows it. */
  readonly status: () => Promise<SchedulerStatus>;
}

/** Listens. Rejects with BeatError where it can't. */
export async function openMonitoring(options: MonitoringOptions): Promise<Endpoint> {
  const { address, clock, log, health, report, status } = options;

  /** As `beat status --check`; of a leader what it says of itself now, which is newer than what the database has. */
  async function reasons(): Promise<readonly string[]> {
    const { state } = health();
    if (state === "starting" || state === "stopping") return [`it is ${state}`];
    if (state === "leading") return report()!.alerts.notReady;
    return status().then(notReady, (error) => [`the schedule database can't be read: ${reasonOf(error)}`]);
  }

  const { time_zone_data, ...build } = versions();
  const metrics = new Metrics({ version: build.beat, node: build.node, time_zone_data }, async () => {
    const own = report();
    if (own === undefined) return { now: clock.now(), own: undefined, store: undefined };
    const [unready, store] = await Promise.all([reasons(), status().catch(() => undefined)]);
    const leading = health().state === "leading";
    return { now: clock.now(), own: { ...own, leading, ready: unready.length === 0 }, store };
  });

  const endpoint = new Endpoint(
    address,
    {
      "/metrics": async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }),
      "/livez": async () => {
        const { alive, state } = health();
        return json(alive ? 200 : 503, { alive, state });
      },
      "/readyz": async () => {
        const unready = (await reasons()).map(maskUrl);
        return json(unready.length === 0 ? 200 : 503, { ready: unready.length === 0, reasons: unready });
      },
    },
    log,
  );
  log.info(`Metrics on ${await endpoint.open()}/metrics`);
  return endpoint;
}
