// What a task's arguments and headers may hold. Each check stands for a message that a real worker lost, or died of.

import { BeatError } from "../core/errors.ts";
import { isMap } from "../core/json-value.ts";

/** Python's JSON decoder gives up at about 1,000 levels. This bound also ends the walk where a value contains itself. */
const maxLevels = 100;

/**
 * Throws BeatError unless `value` is JSON that every supported worker decodes. `field` says where it stands
 * (`kwargs`); the error's place goes on from there (`kwargs.report.when`).
 */
export function checkJson(value: unknown, field: string, level = 0): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw notJson(`${value} is not a JSON number`, field);
    return;
  }
  if (typeof value !== "object") {
    throw notJson(value === undefined ? "undefined is not JSON" : `a ${typeof value} is not JSON`, field);
  }
  if (level >= maxLevels)
    throw notJson(`the value is nested deeper than ${maxLevels} levels, or contains itself`, field);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) checkJson(value[index], `${field}.${index}`, level + 1);
    return;
  }
  if (!isMap(value)) throw notJson(`a ${value.constructor?.name || "class instance"} is not JSON`, field);
  checkTyped(value, field);
  for (const [key, child] of Object.entries(value)) checkJson(child, `${field}.${key}`, level + 1);
}

const date = String.raw`\d{4}-\d\d-\d\d`;
const time = String.raw`\d\d:\d\d(?::\d\d(?:\.\d{3}(?:\d{3})?)?)?(?:Z|[+-]\d\d:\d\d)?`;

const matches = (pattern: string) => {
  const whole = new RegExp(`^(?:${pattern})$`);
  return (value: unknown) => typeof value === "string" && whole.test(value);
};

/** kombu decodes these objects into Python values (from 5.3; earlier ones hand the object to the task). */
const typedValues = new Map<unknown, (value: unknown) => boolean>([
  ["datetime", matches(`${date}T${time}`)],
  ["date", matches(date)],
  ["time", matches(time)],
  ["decimal", matches(String.raw`[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]?Infinity`)],
  ["uuid", (value) => isMap(value) && Object.keys(value).join() === "hex" && matches("[0-9a-fA-F]{32}")(value["hex"])],
  ["bytes", (value) => typeof value === "string"],
  ["base64", matches("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")],
]);

function checkTyped(value: Record<string, unknown>, field: string): void {
  if (!("__type__" in value && "__value__" in value) || Object.keys(value).length !== 2) return;
  const accepts = typedValues.get(value["__type__"]);
  // Filled in, it is looked at once more.
  if (accepts && typeof value["__value__"] === "string" && value["__value__"].includes("{{")) return;
  if (accepts?.(value["__value__"])) return;
  const what = accepts
    ? `is marked as a ${value["__type__"]} and holds no such value`
    : `has only "__type__" and "__value__", with a type that kombu does not know`;
  throw new BeatError(`the object ${what}; workers cannot decode the message and lose it`, {
    remedy: `Known types: ${[...typedValues.keys()].join(", ")}. An object that is meant as plain data needs another key.`,
    place: { field },
  });
}

function notJson(message: string, field: string): BeatError {
  return new BeatError(message, {
    remedy: "Use null, true, false, numbers, texts, lists and objects only.",
    place: { field },
  });
}
