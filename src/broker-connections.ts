// Which brokers a scheduler sends to: the one that it was given, those of its schedule files, and those of its program, the
// first of a name counting.

import { brokerUrl } from "./brokers/broker-url.ts";
import { connectBroker } from "./brokers/connect.ts";
import { type BrokerDefinition, defaultBroker, parseBroker } from "./core/broker-definition.ts";
import { BrokerError, reasonOf } from "./core/errors.ts";
import type { Clock, Log } from "./core/ports.ts";
import type { NamedBroker } from "./dispatch/engine.ts";

export interface BrokerConnectionsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly declareQueues: boolean;
  /** The queue of tasks that name none, where the broker has no other one. */
  readonly defaultQueue: string;
  readonly maxRate: number | undefined;
}

type Brokers = ReadonlyMap<string, BrokerDefinition>;

export class BrokerConnections {
  readonly #options: BrokerConnectionsOptions;
  readonly #known = new Map<string, BrokerDefinition>();

  constructor(options: BrokerConnectionsOptions) {
    this.#options = options;
  }

  /** The queue of tasks that name none. */
  queueOf(broker: string = defaultBroker): string {
    return this.#known.get(broker)?.defaultQueue ?? this.#options.defaultQueue;
  }

  /** Those of a program: a URL, or what a schedule file holds. Rejects where one of them is wrong. */
  async connectGiven(brokers: Readonly<Record<string, unknown>>): Promise<NamedBroker[]> {
    const definitions = Object.entries(brokers).map(([name, value]) => [name, parseBroker(name, value)] as const);
    const wanted = definitions.filter(([name]) => !this.#known.has(name));
    return Promise.all(wanted.map(([name, definition]) => this.#connect(name, definition)));
  }

  /** Those of schedule files that are new; what is wrong with one is logged. Others go on as they are until the next start. */
  async connectWritten(brokers: Brokers): Promise<NamedBroker[]> {
    const { log } = this.#options;
    const made: NamedBroker[] = [];
    for (const [name, definition] of brokers) {
      const known = this.#known.get(name);
      if (known !== undefined) {
        if (known.place.file !== undefined && meaning(known) !== meaning(definition))
          log.warn(`The broker "${name}" was changed in ${definition.place.file}: that counts from the next start.`);
        continue;
      }
      try {
        made.push(await this.#connect(name, definition));
      } catch (error) {
        log.error(reasonOf(error));
      }
    }
    return made;
  }

  async #connect(name: string, definition: BrokerDefinition): Promise<NamedBroker> {
    const { clock, log, env, declareQueues, maxRate, defaultQueue } = this.#options;
    const url = await brokerUrl(definition, env);
    const broker = await connectBroker(url, {
      clock,
      log,
      declareQueues,
      defaultQueue: definition.defaultQueue ?? defaultQueue,
    }).catch((error) => {
      // A scheduler's own broker is a URL alone, with no place to name.
      throw name === defaultBroker && definition.place.file === undefined ? error : placed(error, definition);
    });
    this.#known.set(name, definition);
    const rate = definition.maxRate ?? maxRate;
    return { name, broker, ...(rate !== undefined && { maxRate: rate }) };
  }
}

/** What is wrong with a URL does not know where the URL was written. */
function placed(error: unknown, { place }: BrokerDefinition): unknown {
  if (!(error instanceof BrokerError) || error.place !== undefined) return error;
  const { message, remedy } = error;
  return new BrokerError(message, { ...(remedy !== undefined && { remedy }), place, cause: error });
}

const meaning = ({ place: _, places: __, ...definition }: BrokerDefinition): string => JSON.stringify(definition);
