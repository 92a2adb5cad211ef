// The URL of a broker that was defined by its parts: taken from where it is kept, with the options beside it in its query.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { BrokerDefinition } from "../core/broker-definition.ts";
import { BrokerError, DefinitionError, reasonOf } from "../core/errors.ts";
import { checkBrokerUrl } from "./connect.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Rejects with BrokerError where the variable or the file is not there, or holds nothing. */
export async function brokerUrl(
  { source, options, place, places = {} }: BrokerDefinition,
  env: Environment,
): Promise<string> {
  const url = (await textOf(source, env).catch((error) => refuse(`can't be read: ${reasonOf(error)}`))).trim();
  if (url === "") return refuse(source.kind === "url_env" ? `${source.text} is not set` : "there is nothing in it");
  const query = new URLSearchParams(options).toString();
  if (query === "") return url;
  // Of several hosts each may have a query.
  const last = url.slice(url.lastIndexOf(";") + 1);
  return `${url}${last.includes("?") ? "&" : "?"}${query}`;

  function refuse(message: string): never {
    throw new BrokerError(message, {
      remedy: "Put the broker's URL there.",
      place: places[source.kind] ?? { ...place, field: `${place.field}.${source.kind}` },
    });
  }
}

async function textOf({ kind, text }: BrokerDefinition["source"], env: Environment): Promise<string> {
  if (kind === "url_file") return readFile(text, "utf8");
  return kind === "url_env" ? (env[text] ?? "") : text;
}

/**
 * What connecting would refuse of the URL and of the options beside it; nothing is connected. Undefined: nothing is wrong, or the
 * URL is kept elsewhere and not on this machine, as in a check before schedule files are shipped.
 */
export async function brokerProblem(broker: BrokerDefinition, env: Environment): Promise<DefinitionError | undefined> {
  if (!isHere(broker.source, env)) return undefined;
  const refusal = await refusalOf(broker, env);
  if (refusal === undefined) return undefined;
  const { message, remedy, place: at } = refusal;
  const { place, places = {} } = broker;
  return new DefinitionError(message, {
    ...(remedy !== undefined && { remedy }),
    place: at ?? places[await wrongKey(broker, env)] ?? place,
    cause: refusal,
  });
}

/** The option without which nothing is refused; where there is none, what holds the URL. */
async function wrongKey(broker: BrokerDefinition, env: Environment): Promise<string> {
  for (const key of Object.keys(broker.options)) {
    const { [key]: _, ...options } = broker.options;
    if ((await refusalOf({ ...broker, options }, env)) === undefined) return key;
  }
  return broker.source.kind;
}

async function refusalOf(broker: BrokerDefinition, env: Environment): Promise<BrokerError | undefined> {
  try {
    await checkBrokerUrl(await brokerUrl(broker, env));
    return undefined;
  } catch (error) {
    if (error instanceof BrokerError) return error;
    throw error;
  }
}

function isHere({ kind, text }: BrokerDefinition["source"], env: Environment): boolean {
  if (kind === "url_file") return existsSync(text);
  return kind === "url" || env[text] !== undefined;
}
