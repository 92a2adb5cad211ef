// The JSON Schema of a schedule file, for editors: made from the zod description of a definition.

import { z } from "zod";
import { taskDefaultsSchema } from "../celery/task-defaults.ts";
import { brokerSchema, brokerSources } from "../core/broker-definition.ts";
import { definitionSchema } from "../core/definition.ts";
import { targetKeys } from "../core/target.ts";
import { triggerKeys } from "../core/triggers/schedule.ts";

const dateRange = {
  type: "object",
  properties: { from: { type: "string" }, to: { type: "string" } },
  required: ["from", "to"],
  additionalProperties: false,
};

/** JSON Schema, draft 2020-12. */
export function scheduleFileSchema(): Record<string, unknown> {
  const { $schema, $defs, ...entry } = z.toJSONSchema(definitionSchema, {
    io: "input",
    override: ({ jsonSchema }) => dropBounds(jsonSchema),
  });
  const {
    $schema: _defaults,
    $defs: defaultsDefs,
    ...defaults
  } = z.toJSONSchema(taskDefaultsSchema, {
    io: "input",
    override: ({ jsonSchema }) => dropBounds(jsonSchema),
  });
  const { $schema: _, ...broker } = z.toJSONSchema(brokerSchema, { io: "input" });
  return {
    $schema,
    title: "Beat: a schedule file",
    type: "object",
    properties: {
      timezone: {
        type: "string",
        description: "The time zone of every entry that names none: an IANA name. Default: UTC.",
      },
      defaults: {
        ...defaults,
        description:
          "What holds for every task of this file that does not say otherwise, in the words of Celery's settings.",
      },
      calendars: {
        type: "object",
        description:
          "Days to leave out, by the name that except gives: a list, or an .ics file in the folder of this file.",
        maxProperties: 100,
        propertyNames: { pattern: "^[^0-9]" },
        additionalProperties: {
          anyOf: [
            { type: "string", pattern: "\\.[iI][cC][sS]$" },
            { type: "array", maxItems: 10_000, items: { anyOf: [{ type: "string", pattern: "^[0-9]" }, dateRange] } },
          ],
        },
      },
      brokers: {
        type: "object",
        description: "Brokers by the name that an entry's broker gives; default is that of entries which name none.",
        maxProperties: 100,
        propertyNames: { pattern: "^[A-Za-z][A-Za-z0-9_.-]{0,99}$" },
        additionalProperties: {
          anyOf: [
            { type: "string", minLength: 1 },
            { ...broker, ...exactlyOne(brokerSources) },
          ],
        },
      },
      schedules: {
        type: "object",
        description: "Entries by name.",
        propertyNames: { minLength: 1, maxLength: 200 },
        additionalProperties: { $ref: "#/$defs/entry" },
      },
    },
    required: ["schedules"],
    additionalProperties: false,
    $defs: { ...defaultsDefs, ...$defs, entry: { ...entry, allOf: [exactlyOne(triggerKeys), exactlyOne(targetKeys)] } },
  };
}

function exactlyOne(keys: readonly string[]) {
  return { oneOf: keys.map((key) => ({ required: [key] })) };
}

/** zod bounds every whole number by what a double holds exactly; a reader of the schema is not helped by that. */
function dropBounds(schema: { minimum?: number; maximum?: number }): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}
