// What a user writes of a broker: its URL, or where the URL is kept, and beside it what Celery has in its settings, in Celery's
// own names. Options that change the wire stand in the URL's query as well: there is one list of them, the broker's own.

import { z } from "zod";
import { problemsOfShape } from "./definition-problems.ts";
import { DefinitionError, type Place } from "./errors.ts";
import { isMap } from "./json-value.ts";

const optionSchema = z.union([z.string(), z.number(), z.boolean()]);

const brokerShape = {
  url: z.string().min(1).optional(),
  /** The environment variable that holds the URL. */
  url_env: z.string().min(1).optional(),
  /** The file that holds the URL; from the working directory. */
  url_file: z.string().min(1).optional(),
  max_rate: z.number().positive().optional(),
  task_default_queue: z.string().min(1).optional(),
  /** SQS: the queues that there are, by name. */
  predefined_queues: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
};
export const brokerSources = ["url", "url_env", "url_file"] as const;

export const brokerSchema = z.object(brokerShape).catchall(z.union([optionSchema, z.array(optionSchema)]));

/** The broker of tasks that name none. */
export const defaultBroker = "default";

/** What carries requests over HTTP is one more broker, under a name that no user can give. */
export const requestBroker = "(http)";

export interface BrokerDefinition {
  readonly source: { readonly kind: (typeof brokerSources)[number]; readonly text: string };
  /** How many late messages may leave in a second. */
  readonly maxRate?: number;
  /** The queue of its tasks that name none. */
  readonly defaultQueue?: string;
  /** What is added to the URL's query. */
  readonly options: Readonly<Record<string, string>>;
  /** Where it was written. */
  readonly place: Place;
  /** In a file: where each of its keys was written. */
  readonly places?: Readonly<Record<string, Place>>;
}

/** What is wrong with the name of a broker; undefined: nothing. */
function brokerNameProblem(name: string): string | undefined {
  return /^[a-z][a-z0-9_.-]{0,99}$/i.test(name)
    ? undefined
    : "the name of a broker begins with a letter and goes on with letters, digits, _, . and -";
}

/** As a URL's query has it. */
function optionText(value: unknown): string {
  return isMap(value) ? JSON.stringify(value) : [value].flat().join(",");
}

/** A URL, or a map. Throws DefinitionError, with the field below `brokers.NAME`. */
export function parseBroker(name: string, value: unknown, place: Place = {}): BrokerDefinition {
  const field = `brokers.${name}`;
  const refuse = (message: string, remedy: string, key = ""): never => {
    throw new DefinitionError(message, { remedy, place: { ...place, field: `${field}${key && `.${key}`}` } });
  };
  const wrong = brokerNameProblem(name);
  if (wrong !== undefined) return refuse(wrong, "Choose another name.");
  const written = typeof value === "string" ? { url: value } : value;
  if (!isMap(written)) return refuse("must be a broker's URL, or a map", "Write it like redis://cache/0.");
  if (written["broker_transport_options"] !== undefined)
    return refuse("its options stand beside the URL here", "Move them one level up.", "broker_transport_options");
  const parsed = brokerSchema.safeParse(written);
  if (!parsed.success) {
    const [problem] = problemsOfShape(parsed.error, written, place, brokerSchema);
    return refuse(problem!.message, problem!.remedy ?? "Write texts, numbers, true or false.", problem!.place?.field);
  }
  const { url, url_env, url_file, max_rate: maxRate, task_default_queue: defaultQueue, ...options } = parsed.data;
  const given = brokerSources.filter((kind) => parsed.data[kind] !== undefined);
  const [kind] = given;
  if (kind === undefined || given.length > 1)
    return refuse(
      kind === undefined ? "has no URL" : `has both ${given.join(" and ")}`,
      `Give one of: ${brokerSources.join(", ")}.`,
    );
  return {
    source: { kind, text: parsed.data[kind]! },
    ...(maxRate !== undefined && { maxRate }),
    ...(defaultQueue !== undefined && { defaultQueue }),
    options: Object.fromEntries(Object.entries(options).map(([key, each]) => [key, optionText(each)])),
    place: { ...place, field },
  };
}
