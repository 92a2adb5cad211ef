// What zod found wrong with the shape of a definition, in plain words: each problem with its field and what is expected there.

import { z } from "zod";
import { DefinitionError, nearest, type Place } from "./errors.ts";

type Issue = z.core.$ZodIssue;

/** `schema`: what was expected of `value`; it knows the keys that each map may have. */
export function problemsOfShape(error: z.ZodError, value: unknown, place: Place, schema: z.ZodType): DefinitionError[] {
  return error.issues.flatMap((issue) => {
    const found = sharpest(issue);
    const at = (path: readonly PropertyKey[]): Place =>
      path.length === 0 ? place : { ...place, field: path.map(String).join(".") };
    if (found.code === "unrecognized_keys") {
      return found.keys.map((key) => {
        const keys = keysAt(schema, found.path);
        const guess = nearest(key, keys);
        const remedy =
          guess === undefined
            ? keys.length > 0
              ? `Known keys: ${keys.join(", ")}.`
              : undefined
            : `Did you mean "${guess}"?`;
        return new DefinitionError(`unknown key "${key}"`, {
          ...(remedy && { remedy }),
          place: at([...found.path, key]),
        });
      });
    }
    const { message, remedy } = inWords(found, valueAt(value, found.path));
    return [new DefinitionError(message, { ...(remedy && { remedy }), place: at(found.path) })];
  });
}

function keysAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return keysAt(schema.unwrap(), path);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => keysAt(option, path));
  const [key, ...rest] = path;
  if (schema instanceof z.ZodArray) return keysAt(schema.element, rest);
  if (schema instanceof z.ZodRecord && key !== undefined) return keysAt(schema.valueType, rest);
  if (!(schema instanceof z.ZodObject)) return [];
  if (key === undefined) return Object.keys(schema.shape);
  const child = schema.shape[String(key)];
  return child === undefined ? [] : keysAt(child, rest);
}

/** zod reports a union by what each branch said. The branch that came furthest, or that understood the value and refused it, says it best. */
function sharpest(issue: Issue): Issue {
  if (issue.code !== "invalid_union") return issue;
  const inside = issue.errors
    .flatMap((branch) => branch.slice(0, 1))
    .map((found) => ({ ...found, path: [...issue.path, ...found.path] }));
  const weight = (found: Issue) =>
    2 * found.path.length + (found.code === "invalid_type" || found.code === "invalid_value" ? 0 : 1);
  const best = inside.toSorted((a, b) => weight(b) - weight(a))[0];
  return best !== undefined && weight(best) > 2 * issue.path.length ? sharpest(best) : issue;
}

const typeWords: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map",
  record: "a map",
};

function inWords(issue: Issue, value: unknown): { readonly message: string; readonly remedy?: string } {
  if (issue.path.at(-1) === "secret" && typeof value === "string")
    return { message: "must be a map, not the secret itself", remedy: "Write {env: NAME} or {file: PATH}." };
  switch (issue.code) {
    case "custom":
      return { message: issue.message };
    case "too_small":
      if (issue.origin === "string" || issue.origin === "array") return { message: "must not be empty" };
      return { message: `must be at least ${issue.minimum}, not ${shown(value)}` };
    case "too_big":
      return { message: `must be at most ${issue.maximum}, not ${shown(value)}` };
    default: {
      const expected = expectedBy(issue);
      const guess =
        typeof value === "string" && issue.code === "invalid_value"
          ? nearest(value, issue.values.map(String))
          : undefined;
      const message = expected.length === 0 ? issue.message : `must be ${listed(expected)}, not ${shown(value)}`;
      return { message, ...(guess && { remedy: `Did you mean "${guess}"?` }) };
    }
  }
}

function expectedBy(issue: Issue): string[] {
  if (issue.code === "invalid_type") return [typeWords[issue.expected] ?? issue.expected];
  if (issue.code === "invalid_value") return issue.values.map(String);
  if (issue.code !== "invalid_union") return [];
  return [...new Set(issue.errors.flatMap((branch) => branch.flatMap(expectedBy)))];
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce(
    (node: unknown, key) =>
      node === undefined || node === null ? undefined : (node as Record<PropertyKey, unknown>)[key],
    value,
  );
}

/** A value for an error message: short, and a word where it has no form. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
