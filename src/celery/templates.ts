// `{{ fire_time }}` and its like in arguments. A text that is nothing but one of them becomes the value; within a longer
// text it is written out. `{{{{` stands for two braces. What holds none is left alone, and costs nothing at each message.

import { nearest } from "../core/errors.ts";
import { refusal } from "./refusal.ts";

export interface TemplateValues {
  /** The nominal fire time: ISO 8601 in UTC, as in `beat_fire_time`. */
  readonly fire_time: string;
  /** That of the schedule's time before; null: there was none. */
  readonly previous_fire_time: string | null;
  /** The entry's. */
  readonly name: string;
}

export type Render = (values: TemplateValues) => unknown;

type Name = keyof TemplateValues;
type Part = { readonly text: string } | { readonly name: Name };

const names: readonly string[] = ["fire_time", "previous_fire_time", "name"] satisfies readonly Name[];
const marks = /\{\{\{\{|\{\{([^{}]*)\}\}/g;

/** How a JSON value is filled in; undefined where it holds no template. Throws BeatError, at `field`, for an unknown name. */
export function templateOf(value: unknown, field: string): Render | undefined {
  if (typeof value === "string") return value.includes("{{") ? textOf(value, field) : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  const children = Object.entries(value).map(([key, child]) => ({
    key,
    child,
    render: templateOf(child, `${field}.${key}`),
  }));
  if (children.every(({ render }) => render === undefined)) return undefined;
  if (Array.isArray(value)) {
    return (values) => children.map(({ child, render }) => (render === undefined ? child : render(values)));
  }
  return (values) =>
    Object.fromEntries(children.map(({ key, child, render }) => [key, render === undefined ? child : render(values)]));
}

/** Whether the value names the fire time before this one, which takes looking for. */
export function readsPreviousFireTime(value: unknown): boolean {
  if (typeof value === "string") return /\{\{\s*previous_fire_time\s*\}\}/.test(value);
  return typeof value === "object" && value !== null && Object.values(value).some(readsPreviousFireTime);
}

function textOf(text: string, field: string): Render {
  const parts: Part[] = [];
  let end = 0;
  for (const { 0: mark, 1: written, index } of text.matchAll(marks)) {
    if (index > end) parts.push({ text: text.slice(end, index) });
    parts.push(written === undefined ? { text: "{{" } : { name: nameOf(written.trim(), field) });
    end = index + mark.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  const [only] = parts;
  if (parts.length === 1 && only !== undefined && "name" in only) return (values) => values[only.name];
  return (values) => parts.map((part) => ("text" in part ? part.text : (values[part.name] ?? ""))).join("");
}

function nameOf(written: string, field: string): Name {
  if (names.includes(written)) return written as Name;
  const guess = nearest(written, names);
  throw refusal(
    `{{ ${written} }} is not known`,
    field,
    `${guess === undefined ? `Known: ${names.join(", ")}.` : `Did you mean {{ ${guess} }}?`} Two braces that are meant as such are written {{{{.`,
  );
}
