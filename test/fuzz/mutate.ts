// Valid input made invalid, or strange: a slip of the keyboard, a number out of all bounds, a piece of another dialect, noise.

import type { Random } from "./random.ts";

const dialects =
  "* */ - , / # L W LW ? ~ @ @reboot : ; = .. . T Z + P PT ms e9 0x1f mon sunday- FEB 5th FREQ= BYDAY=-1 COUNT= UNTIL= RRULE: EXDATE: BEGIN: END:VEVENT DTSTART;TZID= &a *a << --- [ ] { } \" ' ` \\ % %2F %ff ://";
const spelling = "é 😀 ٣ １ İ \u0000 \u001b[31m \ufeff \ud800 __proto__ constructor null true NaN Infinity";
const numbers = "-0 00 007 60 24 32 13 366 1e308 99999999999999999999 -1 2147483648 9007199254740993 0.1";
const pieces = [
  ...`${dialects} ${spelling} ${numbers}`.split(" "),
  " ",
  "  ",
  "\t",
  "\n",
  "\r\n",
  "\u2028",
  "last ",
  "2nd fri",
  "!!set ",
  "<<: ",
];

const oddNumbers =
  `0 -0 -1 1 7 24 31 32 53 59 60 99 366 1000 65536 2147483648 9007199254740993 1e21 1e308 0.1 1e-9 0.5 ${Number.NaN} Infinity -Infinity`
    .split(" ")
    .map(Number);

const planes = [
  [0, 127],
  [32, 126],
  [0, 255],
  [0, 0xffff],
  [0x1_0000, 0x10_ffff],
] as const;

/** Bytes as text, characters of all planes, lone surrogates. */
export function noise(random: Random, maxLength = 60): string {
  const [low, high] = random.pick(planes);
  return String.fromCodePoint(...random.times(0, maxLength, () => random.int(low, high)));
}

type Edit = (text: string, at: number, random: Random) => string;

const inserted = (text: string, at: number, what: string, instead = 0): string =>
  text.slice(0, at) + what + text.slice(at + instead);
const repeated =
  (min: number, max: number): Edit =>
  (text, at, random) =>
    inserted(text, at, (text.slice(at, at + random.int(1, 12)) || "9").repeat(random.int(min, max)));

const edits: readonly (readonly [weight: number, edit: Edit])[] = [
  [3, (text, at) => inserted(text, at, "", 1)],
  [5, (text, at, random) => inserted(text, at, random.pick(pieces))],
  [3, (text, at, random) => inserted(text, at, random.pick(pieces), random.int(1, 4))],
  [3, (text, _, random) => text.replace(/\d+/g, (own) => (random.chance(0.3) ? `${random.pick(oddNumbers)}` : own))],
  [1, (text, at) => text.slice(0, at)],
  [1, (text, at) => text.slice(at)],
  [1, (text, _, random) => (random.chance(0.5) ? text.toUpperCase() : text.toLowerCase())],
  [1, (text, at, random) => inserted(text, at, noise(random, 6))],
  [3, repeated(1, 4)],
  [0.5, repeated(10, 60)],
  [0.05, repeated(500, 3_000)],
];

/** As it is, edited a little, or nothing of it. */
export function mutated(random: Random, text: string): string {
  if (random.chance(0.4)) return text;
  if (random.chance(0.06)) return noise(random);
  let edited = text;
  for (let left = random.pick([1, 1, 1, 2, 2, 4]); left > 0; left--)
    edited = random.weighted(edits)(edited, random.int(0, edited.length), random);
  return edited;
}

function deep(levels: number): unknown {
  let value: unknown = { every: 1 };
  for (let level = 0; level < levels; level++) value = { any: [value] };
  return value;
}

function circle(): unknown {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

/** A value that no key expects; what only a program can hand in is among them. */
export function oddValue(random: Random): unknown {
  return random.any<unknown>(
    () => random.pick([null, true, false, "", [], {}, undefined]),
    () => random.pick(oddNumbers),
    () => noise(random),
    () => random.pick(pieces),
    () => random.pick([1n, Symbol("odd"), () => 1, new Date(0), new Date(Number.NaN), new Map([[1, 2]]), /x/]),
    () => random.pick([[1n], { deep: [5n] }, new Array(3), Object.assign(Object.create(null), { every: 1 })]),
    () => deep(random.int(1, 100)),
    circle,
    () => ["2027-01-01", ["2027-01-02"], 5],
    () => "9".repeat(random.int(1, 3_000)),
  );
}

/** A value with texts of it mutated, and keys and parts of it left out, doubled or replaced. */
export function mutatedValue(random: Random, value: unknown): unknown {
  if (random.chance(0.4)) return value;
  return bent(random, value, 0.25);
}

function bent(random: Random, value: unknown, rate: number): unknown {
  if (random.chance(rate / 5)) return oddValue(random);
  if (typeof value === "string") return random.chance(rate * 2) ? mutated(random, value) : value;
  if (typeof value === "number") return random.chance(rate) ? random.pick(oddNumbers) : value;
  if (Array.isArray(value)) {
    const items = value.map((each) => bent(random, each, rate));
    return random.chance(rate / 3) ? [...items, ...items.slice(0, 3)] : items;
  }
  if (typeof value !== "object" || value === null) return value;
  const bentEntries = Object.entries(value)
    .filter(() => !random.chance(rate / 4))
    .map(([key, each]) => [random.chance(rate / 6) ? mutated(random, key) : key, bent(random, each, rate)] as const);
  if (random.chance(rate / 4)) bentEntries.push([random.pick(pieces), oddValue(random)]);
  return Object.fromEntries(bentEntries);
}
