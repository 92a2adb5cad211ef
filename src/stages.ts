// The stages joined, in the order in which data flows through them: the dispatcher claims what is due, the relay sends it to
// a broker or to the local runner, the ledger keeps what became of it.

import type { BrokerConnections } from "./broker-connections.ts";
import { HttpBroker } from "./brokers/http.ts";
import type { Signer } from "./celery/signing.ts";
import { Engine, type EngineOptions } from "./dispatch/engine.ts";
import { messageEncoder } from "./message-encoder.ts";
import { isDead, thisProcess } from "./process-identity.ts";
import { createRunner, type LocalRunner, type RunnerOptions } from "./runner/runner.ts";
import { commandEnvironment, retentionRowsOf, type SchedulerOptions } from "./scheduler-options.ts";

/** What the stages need to know of the scheduler beside its options. */
export interface Ground
  extends Pick<EngineOptions, "clock" | "log" | "store" | "brokers" | "retentionMs" | "overdueToleranceMs">,
    Pick<EngineOptions, "filesTrouble" | "onAlert" | "onEvent" | "isHeard" | "onStalled">,
    Required<Pick<RunnerOptions, "jobs" | "limits" | "jobsDir">> {
  readonly connections: BrokerConnections;
  readonly signer: Signer | undefined;
}

export function joinStages(
  options: SchedulerOptions,
  { jobs, limits, jobsDir, connections, signer, ...ground }: Ground,
): { readonly engine: Engine; readonly runner: LocalRunner } {
  const { clock, log, store } = ground;
  const env = commandEnvironment();
  const { maxConcurrentRuns, traceparent: traced = false, allowPrivateAddresses: allowPrivate = false } = options;
  const runner = createRunner({
    clock,
    log,
    jobs,
    limits,
    jobsDir,
    env,
    ...(maxConcurrentRuns !== undefined && { maxConcurrentRuns }),
  });
  const engine = new Engine({
    ...ground,
    runner,
    requests: () => new HttpBroker({ clock, env, allowPrivate }),
    whyMissing: (job) => runner.whyMissing(job),
    encode: messageEncoder({ defaultQueueOf: (each) => connections.queueOf(each), traced, signer }),
    owner: thisProcess(),
    isDead,
    random: Math.random,
    retentionRows: retentionRowsOf(options, store),
    timeZoneData: process.versions["tz"] ?? "unknown",
  });
  return { engine, runner };
}
