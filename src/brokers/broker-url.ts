// The URL of a broker that was defined by its parts: taken from where it is kept, with the options beside it in its query.

import { readFile } from "node:fs/promises";
import type { BrokerDefinition } from "../core/broker-definition.ts";
import { BrokerError, reasonOf } from "../core/errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Rejects with BrokerError where the variable or the file is not there, or holds nothing. */
export async function brokerUrl({ source, options, place }: BrokerDefinition, env: Environment): Promise<string> {
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
      place: { ...place, field: `${place.field}.${source.kind}` },
    });
  }
}

async function textOf({ kind, text }: BrokerDefinition["source"], env: Environment): Promise<string> {
  if (kind === "url_file") return readFile(text, "utf8");
  return kind === "url_env" ? (env[text] ?? "") : text;
}
