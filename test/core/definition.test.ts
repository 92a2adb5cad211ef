import assert from "node:assert/strict";
import { test } from "node:test";
import { definitionKeys, nameProblem, parseDefinition, policyOf, scheduleOf } from "../../src/core/definition.ts";
import { DefinitionError } from "../../src/core/errors.ts";
import { targetOf } from "../../src/core/target.ts";
import { triggerKeys } from "../../src/core/triggers/schedule.ts";

/** What `describe` says of each problem, without the place that is the same in all. */
function problemsOf(value: unknown): string[] {
  try {
    parseDefinition(value, { file: "f.yaml", entry: "e" });
  } catch (error) {
    assert.ok(error instanceof DefinitionError, String(error));
    return error.problems.map((problem) => {
      assert.equal(problem.place?.file, "f.yaml");
      assert.equal(problem.place?.entry, "e");
      return problem
        .describe()
        .replace('f.yaml: entry "e"', "")
        .replace(/^(: |, )/, "");
    });
  }
  return assert.fail("it was taken");
}

const task = { every: "30s", task: "a.b" };
const circle: Record<string, unknown> = { ...task };
circle["args"] = [circle];
const deep = JSON.parse(`${"[".repeat(70)}${"]".repeat(70)}`);
const large = "Keep large data elsewhere, and give a reference to it.";
const unfit = "Give texts, numbers, true, false, null, lists and maps.";

const bad: [title: string, value: unknown, ...problems: string[]][] = [
  ["nothing", null, "must be a map, not nothing"],
  ["a list", [], "must be a map, not a list"],
  ["a text", "x", 'must be a map, not "x"'],
  [
    "no trigger, no target",
    {},
    `has no trigger. Give exactly one of: ${triggerKeys.join(", ")}.`,
    "has no target. Give exactly one of: task, chain, group, chord, http, run, job.",
  ],
  ["an unknown key", { evry: "30s", task: "a" }, 'evry: unknown key "evry". Did you mean "every"?'],
  [
    "a key like no other",
    { ...task, zzzzzz: 1 },
    `zzzzzz: unknown key "zzzzzz". Known keys: ${definitionKeys.join(", ")}.`,
  ],
  [
    "an unknown option",
    { ...task, options: { expirs: 1 } },
    'options.expirs: unknown key "expirs". Did you mean "expires"?',
  ],
  [
    "an unknown key of a trigger",
    { crontab: { minute: 0, our: 1 }, task: "a" },
    'crontab.our: unknown key "our". Did you mean "hour"?',
  ],
  [
    "an unknown unit",
    { every: { minuts: 1 }, task: "a" },
    'every.minuts: unknown key "minuts". Did you mean "minutes"?',
  ],
  [
    "two triggers",
    { ...task, crontab: "* * * * *" },
    "crontab: is a second trigger beside every. Keep exactly one of them.",
  ],
  ["two targets", { ...task, run: "x" }, "run: is a second target beside task. Keep exactly one of them."],
  [
    "three of each",
    { every: 1, cron: "* * * * *", at: "2030-01-01", task: "a", run: "b", job: "c" },
    "cron: is a second trigger beside every. Keep exactly one of them.",
    "at: is a second trigger beside every. Keep exactly one of them.",
    "run: is a second target beside task. Keep exactly one of them.",
    "job: is a second target beside task. Keep exactly one of them.",
  ],
  [
    "an unknown zone",
    { ...task, timezone: "Europe/Berln" },
    'timezone: "Europe/Berln" is not a time zone. Did you mean "Europe/Berlin"?',
  ],
  [
    "30 February",
    { crontab: "0 0 30 2 *", task: "a" },
    'crontab: "0 0 30 2 *" never fires: none of its months has such a day. Change the day of the month, the month or the day of the week.',
  ],
  [
    "no duration",
    { ...task, options: { expires: "soon" } },
    'options.expires: "soon" is not a duration. Write a number of seconds, or a text like 30s, 1h30m, 500ms, 2d or PT1H30M.',
  ],
  ["a number where a text belongs", { ...task, description: 5 }, "description: must be a text, not 5"],
  [
    "nothing where a trigger belongs",
    { every: null, task: "a" },
    "every: must be a text, a number or a map, not nothing",
  ],
  [
    "a text where a number belongs",
    { ...task, options: { priority: "high" } },
    'options.priority: must be a number, not "high"',
  ],
  ["a number out of range", { ...task, options: { priority: 300 } }, "options.priority: must be at most 255, not 300"],
  ["an empty task", { every: 1, task: "" }, "task: must not be empty"],
  [
    "a misspelt word",
    { ...task, coalesce: "lates" },
    'coalesce: must be latest, earliest or all, not "lates". Did you mean "latest"?',
  ],
  ["a wrong number of few", { ...task, options: { delivery_mode: 3 } }, "options.delivery_mode: must be 1 or 2, not 3"],
  ["args that are no list", { ...task, args: "x" }, 'args: must be a list, not "x"'],
  ["an item of the wrong kind", { every: 1, run: ["a", 1] }, "run.1: must be a text, not 1"],
  [
    "args that are not JSON",
    { ...task, args: [{ when: new Date(0) }, () => 1, Number.NaN, undefined, 1n, new Map()] },
    `args.0.when: a Date can't be written as JSON. ${unfit}`,
    `args.1: a function can't be written as JSON. ${unfit}`,
    `args.2: NaN can't be written as JSON. ${unfit}`,
    `args.3: undefined can't be written as JSON. ${unfit}`,
    `args.4: a bigint can't be written as JSON. ${unfit}`,
    `args.5: a Map can't be written as JSON. ${unfit}`,
  ],
  [
    "headers that are not JSON",
    { ...task, options: { headers: { x: Infinity } } },
    `options.headers.x: Infinity can't be written as JSON. ${unfit}`,
  ],
  ["a circle", circle, `takes more than 1 MiB, or nests deeper than 64 levels. ${large}`],
  ["deep nesting", { ...task, args: deep }, `takes more than 1 MiB, or nests deeper than 64 levels. ${large}`],
  [
    "giant args",
    { ...task, args: ["x".repeat(2 ** 20)] },
    `takes more than 1 MiB, or nests deeper than 64 levels. ${large}`,
  ],
  [
    "what kombu can't decode",
    { ...task, kwargs: { a: [{ __type__: "x", __value__: 1 }] } },
    'kwargs.a.0: is an object of only "__type__" and "__value__" with a type that kombu does not know; workers refuse it. Add a key or rename one.',
  ],
  [
    "args of a command",
    { every: 1, run: "x", args: [1], options: {} },
    "args: belongs to a task, and this entry has run. Remove it.",
    "options: belongs to a task, and this entry has run. Remove it.",
  ],
  [
    "timeout of a task",
    { ...task, timeout: "5s" },
    "timeout: is for local runs. For a task write options: {time_limit: …}.",
  ],
  [
    "retries of a task",
    { ...task, retries: 3 },
    "retries: is for local runs: a Celery task's own `max_retries` decides. For how often a message is sent, write options: {retry_policy: {max_retries: …}}.",
  ],
  [
    "overlap of a task",
    { ...task, overlap: "skip" },
    "overlap: needs a target that runs here (run or job): Beat does not see when a Celery task ends. Remove it.",
  ],
  [
    "a timeout of nothing",
    { every: 1, run: "x", timeout: 0 },
    "timeout: must be longer than 0. Leave it out where there is no limit.",
  ],
  ["an empty command", { every: 1, run: ["", "x"] }, "run.0: the command is empty. Its first item is the program."],
  [
    "a null character",
    { every: 1, run: ["x", "a\0b"] },
    "run: must not hold a null character. No command can take one.",
  ],
  [
    "a null character in a variable",
    { every: 1, run: "x", env: { A: "a\0b" } },
    "env: must not hold a null character. No command can take one.",
  ],
  [
    "what no variable is called",
    { every: 1, run: "x", env: { "A=1": "" } },
    "env.A=1: is not the name of a variable. Write it as a map: {NAME: value}.",
  ],
  [
    "a shell for what needs none",
    { every: 1, run: ["x"], shell: "bash" },
    "shell: is for a command that is a text. A list is started without a shell.",
  ],
  [
    "keys of a command beside a job",
    { every: 1, job: "./a.ts", cwd: "/", env: {} },
    "cwd: belongs to a run, and this entry has job. Remove it.",
    "env: belongs to a run, and this entry has job. Remove it.",
  ],
  ["a thread for a task", { ...task, in: "thread" }, "in: belongs to a job, and this entry has task. Remove it."],
  [
    "a thread for a registered function",
    { every: 1, job: "tidy", in: "thread" },
    "in: a function that a program registered can't run in a thread. Name a module's: ./file.ts#export.",
  ],
  [
    "many at once",
    { ...task, coalesce: 1, enabled: "yes", tags: "a" },
    "coalesce: must be latest, earliest or all, not 1",
    'enabled: must be true or false, not "yes"',
    'tags: must be a list, not "a"',
  ],
];

for (const [title, value, ...problems] of bad) {
  test(`refused: ${title}`, () => assert.deepEqual(problemsOf(value).toSorted(), problems.toSorted()));
}

test("one problem is thrown itself, with its remedy and place", () => {
  assert.throws(() => parseDefinition({ ...task, coalesce: "al" }, { entry: "e" }), {
    name: "DefinitionError",
    message: 'must be latest, earliest or all, not "al"',
    remedy: 'Did you mean "all"?',
    place: { entry: "e", field: "coalesce" },
  });
});

test("a good definition comes back as it was written, and is JSON", () => {
  const written = {
    crontab: { minute: 0, hour: "*/2" },
    timezone: "Europe/Berlin",
    start_at: "2027-01-01",
    end_at: "2027-12-31T12:00",
    max_runs: 5,
    task: "a.b",
    args: [1, "x", null, [true], { y: 1.5 }],
    kwargs: { a: { __type__: "datetime", __value__: "2027-01-01" } },
    options: { queue: "q", priority: 5, expires: "next", headers: { a: 1 } },
    enabled: false,
    misfire_grace_time: "1h",
    coalesce: "all",
    catch_up_limit: 10,
    description: "d",
    tags: ["x"],
  };
  const definition = parseDefinition(written);
  assert.deepEqual(definition, written);
  assert.deepEqual(parseDefinition(JSON.parse(JSON.stringify(definition))), definition);
});

test("what is written in another order is the same definition", () => {
  const one = parseDefinition({ task: "a", timezone: "UTC", every: "1s" });
  assert.equal(JSON.stringify(one), JSON.stringify(parseDefinition({ every: "1s", timezone: "UTC", task: "a" })));
});

test("the schedule of a definition is what says when it fires", () => {
  const schedule = scheduleOf(parseDefinition({ ...task, timezone: "UTC" }));
  assert.equal(
    scheduleOf(parseDefinition({ every: "30s", timezone: "UTC", run: "x", max_runs: 3, enabled: false })),
    schedule,
  );
  for (const other of [
    { every: "31s" },
    { timezone: "Europe/Berlin" },
    { start_at: "2027-01-01" },
    { end_at: "2028-01-01" },
  ]) {
    assert.notEqual(scheduleOf(parseDefinition({ ...task, timezone: "UTC", ...other })), schedule);
  }
});

test("targets and policies are read with their defaults", () => {
  assert.deepEqual(targetOf(parseDefinition(task)), { kind: "task", task: "a.b", args: [], kwargs: {}, options: {} });
  assert.deepEqual(targetOf(parseDefinition({ every: 1, run: ["a", "b"] })), {
    kind: "run",
    command: ["a", "b"],
    cwd: undefined,
    env: {},
    shell: "/bin/sh",
  });
  assert.deepEqual(targetOf(parseDefinition({ every: 1, job: "./a.ts#b" })), {
    kind: "job",
    job: "./a.ts#b",
    in: "process",
  });
  const defaults = {
    jitterMs: 0,
    misfireGraceMs: null,
    coalesce: "latest",
    catchUpLimit: 1_000,
    overlap: "allow",
    timeoutMs: null,
    maxRuns: null,
    maxInstances: Infinity,
    maxAttempts: Infinity,
    retryDelayMs: 10_000,
    maxAbandonedAttempts: 1,
  };
  assert.deepEqual(policyOf(parseDefinition(task)), defaults);
  assert.deepEqual(
    policyOf(parseDefinition({ every: 1, run: "x", timeout: "1m", max_runs: 2, misfire_grace_time: 1.5, retries: 3 })),
    {
      ...defaults,
      overlap: "skip",
      maxInstances: 1,
      maxAttempts: 4,
      timeoutMs: 60_000,
      maxRuns: 2,
      misfireGraceMs: 1_500,
    },
  );
});

for (const [name, problem] of [
  ["daily report", undefined],
  ["täglich/報告.1", undefined],
  ["x".repeat(200), undefined],
  ["", "an entry needs a name"],
  ["x".repeat(201), "the name of an entry has at most 200 characters, and this one has 201"],
  ["a\nb", "the name of an entry must not hold control characters"],
  ["a\u2028b", "the name of an entry must not hold control characters"],
  ["a\ud800", "the name of an entry must not hold control characters"],
  [" a", "the name of an entry must not begin or end with a space"],
] as const) {
  test(`the name ${JSON.stringify(name.slice(0, 20))} of ${name.length} characters`, () =>
    assert.equal(nameProblem(name), problem));
}
