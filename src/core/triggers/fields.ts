// One field of a cron-like schedule: `*`, `*/5`, `1-5`, `mon-fri`, `1,15,20-30/2`. The dialects share this grammar and
// differ in what a Grammar says. Whatever a dialect's own parser lets through by accident is refused here.

import { DefinitionError } from "../errors.ts";
import { inQuotes } from "./date-time.ts";

export interface Grammar {
  /** For people: "minute". */
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Lower case; the first one stands for `min`. */
  readonly names?: readonly string[];
  /** `thu` and `thursday` alike, or the first three letters only. */
  readonly fullNames?: boolean;
  /** Ranges run on over the end: `22-4`. */
  readonly wraps?: boolean;
  /** `5/15` means `5-59/15`. */
  readonly openSteps?: boolean;
  /** A step greater than its range, and one on names, is an error. */
  readonly stepsFit?: boolean;
}

export const weekdayNames = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"] as const;
export const monthNames = [
  "january",
  "february",
  "march",
  "april",
  "may",
  "june",
  "july",
  "august",
  "september",
  "october",
  "november",
  "december",
] as const;

/** Where a text stands, for errors. */
export interface Position {
  /** The key that holds it: `crontab`, `crontab.minute`. */
  readonly field: string;
  readonly grammar: Grammar;
  readonly text: string;
}

const maxLength = 1_000;
const element = /^(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:\/([0-9]+))?$/i;

/** The comma-separated elements of a field, checked for emptiness and length. */
export function elementsOf(position: Position): string[] {
  const { text, grammar } = position;
  if (text.length > maxLength)
    return refuse(position, "is too long", `A ${grammar.name} has at most ${maxLength} characters.`);
  if (text.trim() === "") return refuse(position, "is empty", `Write * for every ${grammar.name}.`);
  const elements = text.split(/ *, */);
  if (elements.includes("")) return refuse(position, "has an empty element", "Separate elements by one comma.");
  return elements;
}

/** The values of a whole field, ascending, each once. Throws DefinitionError. */
export function parseField(position: Position): number[] {
  const values = new Set<number>();
  for (const text of elementsOf(position)) for (const value of parseElement(text, position)) values.add(value);
  return [...values].sort((a, b) => a - b);
}

/** What an element names: `first`, and on from there as far as `span` by `step`, around the end of the field where it wraps. */
interface Stretch {
  readonly first: number;
  readonly span: number;
  readonly step: number;
}

/** The values of one element, in the order in which it names them. */
export function parseElement(text: string, position: Position): number[] {
  const { min, max } = position.grammar;
  const { first, span, step } = parseStretch(text, position);
  const values = [];
  for (let along = 0; along <= span; along += step) {
    const value = first + along;
    values.push(value > max ? value - (max - min + 1) : value);
  }
  return values;
}

export function parseStretch(text: string, position: Position): Stretch {
  const { grammar } = position;
  const match = element.exec(text);
  if (match === null || (match[1] === "*" && match[2] !== undefined)) return refuseElement(text, position);
  const [, start, end, stepText] = match as unknown as [string, string, string | undefined, string | undefined];
  const first = start === "*" ? grammar.min : valueIn(start, position);
  let last = first;
  if (start === "*") last = grammar.max;
  else if (end !== undefined) last = valueIn(end, position);
  else if (stepText !== undefined && grammar.openSteps) last = grammar.max;
  else if (stepText !== undefined)
    return refuse(
      position,
      `has a step on one value: ${inQuotes(text)}`,
      "Steps belong to * or a range: */5 or 10-30/5.",
    );
  if (last < first && !grammar.wraps) {
    return refuse(
      position,
      `has a range that runs backwards: ${inQuotes(text)}`,
      `Write it as two ranges: ${start}-${grammar.max},${grammar.min}-${end}.`,
    );
  }
  const step = stepText === undefined ? 1 : Number(stepText);
  const span = (last < first ? last + grammar.max - grammar.min + 1 : last) - first;
  checkStep(text, stepText === undefined ? undefined : step, span, position);
  return { first, span, step };
}

function checkStep(text: string, step: number | undefined, span: number, position: Position): void {
  if (step === undefined) return;
  if (step === 0) refuse(position, `has a step of 0: ${inQuotes(text)}`, "A step is 1 or more.");
  if (!position.grammar.stepsFit) return;
  if (step > span)
    refuse(position, `has a step beyond its range: ${inQuotes(text)}`, `The step is at most ${span} here.`);
  if (/[a-z]/i.test(text))
    refuse(position, `has a step on names: ${inQuotes(text)}`, "Write the values as numbers, or list them.");
}

/** A number in range, or a name. */
export function valueIn(text: string, position: Position): number {
  const { grammar } = position;
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : namedValue(text.toLowerCase(), grammar);
  if (value === undefined) return refuseElement(text, position);
  if (value < grammar.min || value > grammar.max) return refuseElement(text, position);
  return value;
}

function namedValue(text: string, grammar: Grammar): number | undefined {
  if (text.length < 3 || grammar.names === undefined) return undefined;
  const index = grammar.names.findIndex((name) =>
    grammar.fullNames ? name.startsWith(text) : name.slice(0, 3) === text,
  );
  return index < 0 ? undefined : grammar.min + index;
}

/** An element that the field's grammar does not know. */
export function refuseElement(text: string, { field, grammar, text: whole }: Position): never {
  const where = text === whole ? "" : `, in ${inQuotes(whole)}`;
  throw new DefinitionError(`${inQuotes(text)} is no ${grammar.name}${where}`, {
    remedy: rangeText(grammar),
    place: { field },
  });
}

export const rangeText = ({ min, max, names }: Grammar): string =>
  `Write a number from ${min} to ${max}${names ? `, or a name like ${names[0]!.slice(0, 3)}` : ""}.`;

export function refuse({ field, grammar, text }: Position, why: string, remedy: string): never {
  throw new DefinitionError(`${grammar.name} ${inQuotes(text)} ${why}`, { remedy, place: { field } });
}
