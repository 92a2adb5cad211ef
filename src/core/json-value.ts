// What may stand in a definition: values that JSON can carry, within bounds. A program may hand in anything, a file may
// nest or repeat itself by aliases without end; both are found out by one bounded walk, before anything else looks.

const maxDepth = 64;
const maxSize = 1_048_576;

/** The number of characters that a value takes, about. Undefined where it nests deeper than 64 levels (a circle does) or takes more than 1 MiB. */
export function sizeOf(value: unknown): number | undefined {
  let size = 0;
  const walk = (node: unknown, depth: number): boolean => {
    size += typeof node === "string" ? node.length + 2 : 4;
    if (depth > maxDepth || size > maxSize) return false;
    if (typeof node !== "object" || node === null) return true;
    for (const key in node) {
      if (!Array.isArray(node)) size += key.length + 2;
      if (!walk((node as Record<string, unknown>)[key], depth + 1)) return false;
    }
    return true;
  };
  return walk(value, 0) ? size : undefined;
}

export type ValuePath = readonly (string | number)[];

/** Where in a value, of a bounded size, something stands that JSON has no form for, and what it is. */
export function* unfitForJson(
  value: unknown,
  path: ValuePath = [],
): Generator<{ readonly path: ValuePath; readonly what: string }> {
  const what = unfitness(value);
  if (what !== undefined) yield { path, what };
  else if (typeof value === "object" && value !== null) {
    for (const [key, child] of Object.entries(value)) {
      yield* unfitForJson(child, [...path, Array.isArray(value) ? Number(key) : key]);
    }
  }
}

function unfitness(value: unknown): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? undefined : String(value);
  if (value === null || typeof value === "string" || typeof value === "boolean") return undefined;
  if (typeof value !== "object") return typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
  if (Array.isArray(value) || isMap(value)) return undefined;
  return `a ${Object.getPrototypeOf(value).constructor?.name ?? "special object"}`;
}

/** An object as YAML, JSON and `{}` make it, of whatever realm: neither a list nor an instance of a class, like a Date. */
export function isMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
