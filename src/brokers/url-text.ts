// What the URLs of brokers have in common.

import { BrokerError, nearest } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";

/** kombu's other words for `amqp`: which library a worker speaks it with is no matter to Beat. */
export const amqpAlias = /^(?:pyamqp|librabbitmq)(?=:|$)/i;

/** For people: `host:port`. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A `%` that begins no escape stands for itself. */
export function unescaped(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

/** Throws BrokerError for a parameter that is not one of `known`. */
export function checkParameters(names: Iterable<string>, known: readonly string[], url: string): void {
  for (const name of names) {
    if (known.includes(name)) continue;
    const guess = nearest(name, known);
    const otherwise = name.startsWith("task_")
      ? "What Celery calls task_… stands under `defaults` in the schedule file."
      : `Known parameters: ${known.join(", ")}.`;
    throw new BrokerError(`unknown parameter "${name}" in ${maskUrl(url)}`, {
      remedy: guess ? `Did you mean "${guess}"?` : otherwise,
    });
  }
}

/** Throws BrokerError where `text` is not a whole number of seconds. */
export function secondsOf(name: string, text: string, url: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new BrokerError(`${name}=${text} in ${maskUrl(url)} is not a number of seconds`, {
    remedy: "Write a whole number.",
  });
}

/** Undefined where the URL does not say. Throws BrokerError for what is none of `choices`. */
export function choiceOf<Choice extends string>(
  name: string,
  query: ReadonlyMap<string, string>,
  choices: readonly Choice[],
  url: string,
): Choice | undefined {
  const text = query.get(name);
  const choice = choices.find((each) => each === text);
  if (text === undefined || choice !== undefined) return choice;
  const guess = nearest(text, choices);
  throw new BrokerError(`${name}=${text} in ${maskUrl(url)} is not known`, {
    remedy: guess ? `Did you mean ${guess}?` : `Write one of: ${choices.join(", ")}.`,
  });
}

/** False where the URL does not say. Throws BrokerError for anything but true and false. */
export function flagOf(name: string, query: ReadonlyMap<string, string>, url: string): boolean {
  return choiceOf(name, query, ["true", "false"], url) === "true";
}
