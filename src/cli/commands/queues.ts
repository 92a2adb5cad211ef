import { stringify } from "yaml";
import { UsageError } from "../../core/errors.ts";
import { parseDuration } from "../../core/time.ts";
import { askQueues, type Fleet, type FleetQueue } from "../../fleet.ts";
import { systemClock } from "../../system-clock.ts";
import { type Command, flags, type JsonFlag, jsonFlag, secretIn } from "../command.ts";
import { print, printJson } from "../output.ts";

interface Flags extends JsonFlag {
  readonly broker?: string;
  readonly brokerFile?: string;
  readonly timeout: string;
}

export const queues: Command<Flags> = {
  command: "queues",
  describe: "Ask the running Celery workers which queues they read, and how they declare them",
  builder: flags({
    broker: { type: "string", alias: "b", describe: "Celery's broker URL" },
    "broker-file": { type: "string", describe: "A file that holds the broker URL, for one with a password" },
    timeout: { type: "string", default: "1s", describe: "How long to wait for the workers' answers" },
    ...jsonFlag,
  }),
  async run({ broker, brokerFile, timeout, json }) {
    const url = brokerFile === undefined ? broker : await secretIn("--broker-file", brokerFile);
    if (url === undefined) throw new UsageError("--broker is missing", { remedy: "Give the workers' broker URL." });
    const fleet = await askQueues(url, { clock: systemClock, waitMs: parseDuration(timeout) });
    if (json) printJson({ workers: fleet.workers, queues: fleet.queues.map(asJson) });
    else print(asYaml(fleet));
    return fleet.workers.length === 0 ? 1 : 0;
  },
};

function asJson({ name, exchange, exchangeType, routingKey, settings, workers }: FleetQueue): unknown {
  return { name, exchange, exchange_type: exchangeType, routing_key: routingKey, ...settings, workers };
}

/** What can be copied into a schedule file. */
function asYaml({ workers, queues: all }: Fleet): string {
  if (workers.length === 0)
    return "# No worker answered. Those that read signed messages only, or no broker with remote control, can't.";
  const first = new Map<string, FleetQueue>();
  const others: string[] = [];
  for (const queue of all) {
    if (!first.has(queue.name)) first.set(queue.name, queue);
    else others.push(`# ${queue.workers.join(", ")} reads ${queue.name} as ${JSON.stringify(declaration(queue))}`);
  }
  const declared = Object.fromEntries([...first].map(([name, queue]) => [name, declaration(queue)]));
  return [
    `# As declared by ${workers.join(", ")}`,
    stringify({ defaults: { task_queues: declared } }).trimEnd(),
    ...others,
  ].join("\n");
}

/** Without what goes without saying. */
function declaration({ name, exchange, exchangeType, routingKey, settings }: FleetQueue): Record<string, unknown> {
  return {
    ...(exchange !== "" && { exchange }),
    ...(exchangeType !== "direct" && { exchange_type: exchangeType }),
    ...(routingKey !== name && { routing_key: routingKey }),
    ...settings,
  };
}
