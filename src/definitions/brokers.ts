// `brokers` of a schedule file: those that its entries, and the entries of the files beside it, may name with `broker`.

import { type BrokerDefinition, parseBroker } from "../core/broker-definition.ts";
import { DefinitionError, type Place } from "../core/errors.ts";
import { isMap } from "../core/json-value.ts";
import type { YamlFile } from "./yaml-file.ts";

export type Brokers = ReadonlyMap<string, BrokerDefinition>;

const maxBrokers = 100;

/** The brokers of a file by name; what is wrong with them is added to `problems`. */
export function parseBrokers(yaml: YamlFile, problems: DefinitionError[]): Brokers {
  const brokers = new Map<string, BrokerDefinition>();
  for (const member of yaml.members("brokers")) {
    const { key: name, value, place } = member;
    try {
      if (brokers.size >= maxBrokers)
        throw new DefinitionError(`more than ${maxBrokers} brokers are too many`, { remedy: "Start another Beat." });
      if (member.problems.length > 0) continue;
      const places = Object.keys(isMap(value) ? value : {}).map((key): [string, Place] => [
        key,
        { ...yaml.locate(member, key), field: `brokers.${name}.${key}` },
      ]);
      brokers.set(name, { ...parseBroker(name, value, place), places: Object.fromEntries(places) });
    } catch (error) {
      if (!(error instanceof DefinitionError)) throw error;
      const field = error.place?.field;
      const at = field === undefined ? place : yaml.locate(member, field.slice(`brokers.${name}.`.length));
      const { message, remedy } = error;
      problems.push(
        new DefinitionError(message, { ...(remedy && { remedy }), place: { ...at, ...(field && { field }) } }),
      );
    }
  }
  return brokers;
}

/** Those of all files. A name belongs to the first file that has it; for the others there is a problem. */
export function joinBrokers(files: readonly Brokers[]): {
  readonly brokers: Brokers;
  readonly problems: readonly DefinitionError[];
} {
  const brokers = new Map<string, BrokerDefinition>();
  const problems: DefinitionError[] = [];
  for (const [name, broker] of files.flatMap((each) => [...each])) {
    const other = brokers.get(name)?.place;
    if (other === undefined) brokers.set(name, broker);
    else
      problems.push(
        new DefinitionError(`the name is taken: ${other.file}:${other.line}:${other.column} has a broker "${name}"`, {
          remedy: "Rename or remove one of them.",
          place: broker.place,
        }),
      );
  }
  return { brokers, problems };
}
