import assert from "node:assert/strict";
import { test } from "node:test";
import { triggerKeys } from "../../src/core/triggers/schedule.ts";
import { parseScheduleFile } from "../../src/definitions/parse.ts";

const lines = (...text: string[]) => `${text.join("\n")}\n`;
/** A file whose entry "a" ends with a line in question, at 4:5, beside a good entry. */
const around = (...questionable: string[]) =>
  lines(
    "schedules:",
    "  a:",
    "    task: t",
    ...questionable.map((line) => `    ${line}`),
    "  b: {every: 1s, task: ok}",
  );

const bad: [title: string, text: string, good: string[], ...problems: string[]][] = [
  // Broken YAML, in plain words.
  [
    "a crontab without quotes",
    around("crontab: * * * * *"),
    [],
    'f.yaml:4:14: this is not YAML: a text that begins with "*" needs quotes. Write "* * * * *".',
  ],
  [
    "steps without quotes",
    around("crontab: */5 * * * *"),
    [],
    'f.yaml:4:18: this is not YAML: a text that begins with "*" needs quotes. Write "*/5 * * * *".',
  ],
  [
    "a nickname without quotes",
    around("cron: @hourly"),
    [],
    'f.yaml:4:11: this is not YAML: a text that begins with "@" needs quotes. Put it in quotes.',
  ],
  [
    "a colon in a text",
    around("run: echo a: b"),
    [],
    'f.yaml:4:10: this is not YAML: a text with ": " in it needs quotes. Put it in quotes.',
  ],
  ["a tab", "schedules:\n\ta: 1\n", [], "f.yaml:2:1: this is not YAML: a tab indents this line. Indent with spaces."],
  [
    "an open brace",
    lines("schedules:", "  a: {every: 30s", "  b: 1"),
    [],
    "f.yaml:3:3: this is not YAML: a closing } is missing",
  ],
  [
    "an open bracket",
    lines("schedules:", "  a: [1, 2", "  b: 1"),
    [],
    "f.yaml:3:3: this is not YAML: a closing ] is missing",
  ],
  [
    "an open quote",
    lines("schedules:", '  a: "abc', "  b: 1"),
    [],
    'f.yaml:4:1: this is not YAML: a closing " is missing',
  ],
  [
    "crooked indentation",
    lines("schedules:", "    a: {}", "  c: 2"),
    [],
    "f.yaml:3:1: this is not YAML: this line is not indented like those that it belongs to. Begin the keys of one map in the same column.",
  ],
  [
    "a key without a colon",
    lines("schedules:", "  a", "  b: 1"),
    [],
    'f.yaml:2:3: this is not YAML: a key here is not followed by ":"',
  ],
  [
    "two documents",
    `${around("every: 1s")}---\nb: 2\n`,
    [],
    "f.yaml:6:1: this is not YAML: a second document begins here. Keep one document in a file.",
  ],
  ["a key that is a list", lines("? [x]", ": y"), [], "f.yaml:1:3: this is not YAML: a key must be a text"],
  [
    "nesting without end",
    `schedules: ${"[".repeat(50_000)}`,
    [],
    "f.yaml:1:N: this is not YAML: it nests too deep to be read",
  ],
  [
    "nesting beyond reason",
    `schedules: ${"[".repeat(150)}${"]".repeat(150)}`,
    [],
    "f.yaml: it nests too deep to be read",
  ],
  // YAML that is not for schedule files.
  [
    "a key twice",
    around("every: 1s", "every: 2s"),
    ["b"],
    'f.yaml:5:5: entry "a": "every" stands here a second time; the first is in line 4. Rename or remove one of them.',
  ],
  [
    "an entry twice",
    lines("schedules:", "  a: {every: 1s, task: t}", "  a: {every: 2s, task: t}"),
    ["a"],
    'f.yaml:3:3: "a" stands here a second time; the first is in line 2. Rename or remove one of them.',
  ],
  [
    "a tag that makes an object",
    around("every: !!python/object x"),
    ["b"],
    'f.yaml:4:28: entry "a": the tag "!!python/object" is not known here. Write a plain text, number, list or map.',
  ],
  [
    "bytes",
    around("args: [!!binary aGk=]"),
    ["b"],
    'f.yaml:4:21: entry "a": the tag "!!binary" is not known here. Write a plain text, number, list or map.',
  ],
  [
    "an alias of nothing",
    around("args: *nope"),
    ["b"],
    'f.yaml:4:11: entry "a": "*nope" repeats what "&nope" marks, and nothing before it is marked so. Put a text that begins with * in quotes.',
  ],
  [
    "an alias of itself",
    around("args: &x [*x]"),
    ["b"],
    'f.yaml:4:15: entry "a": "*x" repeats what "&x" marks, and nothing before it is marked so. Put a text that begins with * in quotes.',
  ],
  [
    "a number that would lose digits",
    around("every: 1s", "args: [12345678901234567890, 1e300]"),
    ["b"],
    'f.yaml:5:12: entry "a": 12345678901234567890 is too large a number to be kept exactly. Put it in quotes, as a text.',
  ],
  [
    "__proto__",
    around("kwargs: {__proto__: {x: 1}}"),
    ["b"],
    'f.yaml:4:14: entry "a": the key "__proto__" is not allowed. Choose another name.',
  ],
  [
    "a merge key",
    lines("schedules:", "  a: &a {every: 1s, task: t}", "  b: {<<: *a, task: x}"),
    ["a"],
    'f.yaml:3:7: entry "b": merge keys ("<<") are not understood. Write the keys out, or repeat a whole value: "options: *name".',
  ],
  // The top of the file.
  ["an empty file", "", [], "f.yaml: the file is empty. Write entries under the key schedules; {} stands for none."],
  [
    "comments alone",
    "# later\n",
    [],
    "f.yaml: the file is empty. Write entries under the key schedules; {} stands for none.",
  ],
  [
    "a list",
    "- a\n",
    [],
    "f.yaml: a schedule file is a map. Write entries under the key schedules; {} stands for none.",
  ],
  [
    "a text",
    "hello\n",
    [],
    "f.yaml: a schedule file is a map. Write entries under the key schedules; {} stands for none.",
  ],
  [
    "no schedules",
    "timezone: UTC\n",
    [],
    'f.yaml: the file has no key "schedules". Write entries under the key schedules; {} stands for none.',
  ],
  [
    "schedules that are nothing",
    "schedules:\n",
    [],
    "f.yaml:1:1: schedules must be a map of names and entries. {} stands for none.",
  ],
  ["a misspelt top key", "schedule:\n  a: 1\n", [], 'f.yaml:1:1: unknown key "schedule". Did you mean "schedules"?'],
  [
    "an unknown top key",
    "schedules: {}\nqueues: []\n",
    [],
    'f.yaml:2:1: unknown key "queues". Known keys: timezone, defaults, calendars, brokers, schedules.',
  ],
  [
    "an entry at the top",
    "daily:\n  every: 1s\n  task: x\n",
    [],
    'f.yaml:1:1: unknown key "daily". Entries stand under the key schedules.',
  ],
  [
    "an unknown zone of the file",
    lines("timezone: Europe/Berln", "schedules:", "  a: {every: 1s, task: t}"),
    ["a"],
    'f.yaml:1:1: timezone: "Europe/Berln" is not a time zone. Did you mean "Europe/Berlin"?',
  ],
  [
    "a zone that is a number",
    lines("timezone: 5", "schedules: {}"),
    [],
    'f.yaml:1:1: timezone: must be a text. Write a name like "Europe/Berlin".',
  ],
  // Entries: each problem at its key, and none hides another.
  [
    "several entries",
    lines(
      "schedules:",
      "  a:",
      "    evry: 1s",
      "    task: t",
      "    options:",
      "      expirs: 1",
      "      priority: 300",
      "  b: {crontab: '0 0 30 2 *', task: t}",
      "  c:",
      "  d: {every: 1s, crontab: '* * * * *', task: t, run: x}",
      "  e: {every: 1s, task: t}",
    ),
    ["e"],
    'f.yaml:3:5: entry "a", evry: unknown key "evry". Did you mean "every"?',
    'f.yaml:6:7: entry "a", options.expirs: unknown key "expirs". Did you mean "expires"?',
    'f.yaml:7:7: entry "a", options.priority: must be at most 255, not 300',
    'f.yaml:8:7: entry "b", crontab: "0 0 30 2 *" never fires: none of its months has such a day. Change the day of the month, the month or the day of the week.',
    'f.yaml:9:3: entry "c": must be a map, not nothing',
    'f.yaml:10:18: entry "d", crontab: is a second trigger beside every. Keep exactly one of them.',
    'f.yaml:10:49: entry "d", run: is a second target beside task. Keep exactly one of them.',
  ],
  [
    "no trigger",
    lines("schedules:", "  x: {every: 1s, task: t}", "  a:", "    task: t"),
    ["x"],
    `f.yaml:3:3: entry "a": has no trigger. Give exactly one of: ${triggerKeys.join(", ")}.`,
  ],
  [
    "an unknown zone",
    around("every: 1s", "timezone: Nowhere/Land"),
    ["b"],
    'f.yaml:5:5: entry "a", timezone: "Nowhere/Land" is not a time zone. Write a name of the IANA database, like "Europe/Berlin" or "UTC".',
  ],
  [
    "a zone of nothing",
    around("every: 1s", "timezone:"),
    ["b"],
    'f.yaml:5:5: entry "a", timezone: must be a text, not nothing',
  ],
  [
    "args that are not JSON",
    around("every: 1s", "args: [1, {x: .nan}]"),
    ["b"],
    'f.yaml:5:16: entry "a", args.1.x: NaN can\'t be written as JSON. Give texts, numbers, true, false, null, lists and maps.',
  ],
  [
    "keys with dots",
    lines(
      "schedules:",
      "  a.b:",
      "    every: 1s",
      "    task: t",
      "    kwargs:",
      "      x.y: 1",
      "      x:",
      "        z.w: [1, .inf]",
    ),
    [],
    'f.yaml:8:18: entry "a.b", kwargs.x.z.w.1: Infinity can\'t be written as JSON. Give texts, numbers, true, false, null, lists and maps.',
  ],
  [
    "a mistake behind an alias",
    lines(
      "schedules:",
      "  a: {every: 1s, task: t, options: &o",
      "    {queue: q,",
      "     priority: 999}}",
      "  b: {every: 1s, task: t, options: *o}",
    ),
    [],
    'f.yaml:4:6: entry "a", options.priority: must be at most 255, not 999',
    'f.yaml:4:6: entry "b", options.priority: must be at most 255, not 999',
  ],
  [
    "a job out of the folder",
    around("x: 1").replace("task: t", "every: 1s").replace("x: 1", "job: ../x.ts#y"),
    ["b"],
    'f.yaml:4:5: entry "a", job: ../x.ts leads out of the jobs folder. Keep job files in that folder, or name another one at start.',
  ],
  [
    "names",
    lines(
      "schedules:",
      '  "a\\tb": {every: 1s, task: t}',
      "  '': {every: 1s, task: t}",
      `  ${"x".repeat(201)}: {every: 1s, task: t}`,
      "  ' y': {}",
    ),
    [],
    "f.yaml:2:3: the name of an entry must not hold control characters",
    "f.yaml:3:3: an entry needs a name",
    "f.yaml:4:3: the name of an entry has at most 200 characters, and this one has 201",
    "f.yaml:5:3: the name of an entry must not begin or end with a space",
  ],
];

for (const [title, text, good, ...problems] of bad) {
  test(`told with its place: ${title}`, () => {
    const parsed = parseScheduleFile(text, "f.yaml");
    // How deep the parser gets depends on the size of the stack.
    const told = parsed.problems.map((problem) => problem.describe().replace(/^f\.yaml:1:\d{3,}:/, "f.yaml:1:N:"));
    assert.deepEqual(told, problems);
    assert.deepEqual(
      parsed.definitions.map(({ name }) => name),
      good,
    );
    for (const problem of parsed.problems) assert.equal(problem.name, "DefinitionError");
  });
}

test("definitions come with their names, places and the file's zone", () => {
  const parsed = parseScheduleFile(
    lines(
      "timezone: Europe/Berlin",
      "schedules:",
      "  daily:",
      "    crontab: 0 15 * * *",
      "    task: r.s",
      "    args: [weekly, 1]",
      "  404: {at: 2027-01-01T09:00, timezone: UTC, run: [a, b]}",
    ),
    "schedules/app.yaml",
  );
  assert.deepEqual(parsed, {
    file: "schedules/app.yaml",
    problems: [],
    calendarFiles: [],
    brokers: new Map(),
    definitions: [
      {
        name: "daily",
        place: { file: "schedules/app.yaml", line: 3, column: 3 },
        definition: { crontab: "0 15 * * *", timezone: "Europe/Berlin", task: "r.s", args: ["weekly", 1] },
      },
      {
        name: "404",
        place: { file: "schedules/app.yaml", line: 7, column: 3 },
        definition: { at: "2027-01-01T09:00", timezone: "UTC", run: ["a", "b"] },
      },
    ],
  });
});

test("without a zone of the file, entries are in UTC", () => {
  const [only] = parseScheduleFile("schedules:\n  a: {every: 1s, task: t}\n", "f.yaml").definitions;
  assert.equal(only!.definition.timezone, "UTC");
});

test("a file may say that there are no entries", () => {
  assert.deepEqual(parseScheduleFile("schedules: {}\n", "f.yaml"), {
    file: "f.yaml",
    definitions: [],
    problems: [],
    calendarFiles: [],
    brokers: new Map(),
  });
});

test("aliases repeat values, also of many entries", () => {
  const parsed = parseScheduleFile(
    lines(
      "schedules:",
      "  z: {every: 1s, task: t, options: &o {queue: q}}",
      ...Array.from({ length: 500 }, (_, n) => `  e${n}: {every: 1s, task: t, options: *o}`),
    ),
    "f.yaml",
  );
  assert.deepEqual(parsed.problems, []);
  assert.equal(parsed.definitions.length, 501);
  assert.ok(parsed.definitions.every(({ definition }) => definition.options!.queue === "q"));
});

test("the YAML core schema: yes, on and dates are texts; octal and hex are numbers", () => {
  const [only] = parseScheduleFile(
    "schedules:\n  a: {every: 1s, task: t, args: [yes, on, 2027-01-01, 0o10, 0x10, ~, 010, 1_000, !!str 5]}\n",
    "f.yaml",
  ).definitions;
  assert.deepEqual(only!.definition.args, ["yes", "on", "2027-01-01", 8, 16, null, 10, "1_000", "5"]);
});

for (const [folder, job, moved] of [
  [".", "./jobs/tidy.ts#sweep", "./jobs/tidy.ts#sweep"],
  [".", "./a/../tidy.ts", "./tidy.ts"],
  ["teams/a", "./tidy.ts", "./teams/a/tidy.ts"],
  ["teams/a", "../b/tidy.ts#x", "./teams/b/tidy.ts#x"],
  ["..", "./schedules/x.ts", undefined],
  ["../other", "./x.ts", undefined],
  ["teams", "../../x.ts", undefined],
  ["teams", "registered-name", "registered-name"],
] as const) {
  test(`job ${job} of a file in ${folder}`, () => {
    const parsed = parseScheduleFile(`schedules:\n  a: {every: 1s, job: "${job}"}\n`, "f.yaml", folder);
    assert.equal(parsed.definitions[0]?.definition.job, moved);
    assert.equal(parsed.problems.length, moved === undefined ? 1 : 0);
  });
}

test("a billion laughs are not laughed", () => {
  const level = (n: number) =>
    `  z${n}: {every: 1s, task: t, args: &a${n} [${Array(9)
      .fill(`*a${n - 1}`)
      .join(", ")}]}`;
  const text = lines(
    "schedules:",
    "  z0: {every: 1s, task: t, args: &a0 [lol]}",
    ...Array.from({ length: 30 }, (_, n) => level(n + 1)),
  );
  const { definitions, problems } = parseScheduleFile(text, "f.yaml");
  assert.equal(definitions.length + problems.length, 31);
  assert.ok(problems.length >= 24);
  assert.equal(
    problems.at(-1)!.describe(),
    'f.yaml:32:3: entry "z30": takes more than 1 MiB, or nests deeper than 64 levels. Keep large data elsewhere, and give a reference to it.',
  );
});

test("aliases can't make a small file large", () => {
  const text = lines(
    "schedules:",
    `  z: {every: 1s, task: t, args: &a [${"x".repeat(900_000)}]}`,
    ...Array.from({ length: 200 }, (_, n) => `  e${n}: {every: 1s, task: t, args: *a}`),
  );
  const { problems } = parseScheduleFile(text, "f.yaml");
  assert.deepEqual(
    problems.map((problem) => problem.describe()),
    ["f.yaml: its aliases make more than 100 MiB of it. Repeat less."],
  );
});

test("problems are bounded", () => {
  const text = lines("schedules:", ...Array.from({ length: 1_500 }, (_, n) => `  e${n}: {evry: 1s}`));
  const { problems } = parseScheduleFile(text, "f.yaml");
  assert.equal(problems.length, 1_001);
  assert.equal(
    problems.at(-1)!.describe(),
    "f.yaml:1002:3: what follows is not checked: there are many problems already",
  );
});

test("hostile texts take no long time", () => {
  for (const text of [
    "*".repeat(200_000),
    "a: ".repeat(100_000),
    `a:${" ".repeat(500_000)}*`,
    "- ".repeat(20_000),
    `schedules:\n${"  a: 1\n".repeat(20_000)}`,
    "&a ".repeat(50_000),
    "\t".repeat(100_000),
    "\0".repeat(1_000),
  ]) {
    const started = performance.now();
    assert.ok(parseScheduleFile(text, "f.yaml").problems.length > 0);
    const tookMs = performance.now() - started;
    assert.ok(tookMs < 5_000, `${JSON.stringify(text.slice(0, 10))} took ${tookMs} ms`);
  }
});

for (const [what, options, problem] of [
  [
    "a header of Celery's own",
    "{headers: {task: x}}",
    /f\.yaml:2:\d+: entry "one", options\.headers\.task: the header "task" is not free/,
  ],
  [
    "a routing key that leads nowhere",
    "{routing_key: r}",
    /options\.routing_key: routing_key without exchange or queue leads nowhere/,
  ],
] as const) {
  test(`refused when written, since workers would never run it: ${what}`, () => {
    const { problems } = parseScheduleFile(
      `schedules:\n  one: {every: 1h, task: a.b, options: ${options}}\n`,
      "f.yaml",
    );
    assert.equal(problems.length, 1);
    assert.match(problems[0]!.describe(), problem);
  });
}

test("defaults are in force for the file's tasks, and stored with them", () => {
  const text = lines(
    "defaults:",
    "  task_default_queue: main",
    "  task_routes: {'shop.*': {queue: shop, priority: 5}}",
    "  task_queues: {shop: {max_priority: 9}}",
    "schedules:",
    "  a: {every: 1s, task: shop.tidy, options: {priority: 1}}",
    "  b: {every: 1s, task: other}",
    "  c: {every: 1s, run: 'true'}",
  );
  const { definitions, problems } = parseScheduleFile(text, "f.yaml");
  assert.deepEqual(problems, []);
  assert.deepEqual(
    definitions.map(({ definition }) => definition.options),
    [{ queue: "shop", priority: 1, queue_arguments: { "x-max-priority": 9 } }, { queue: "main" }, undefined],
  );
});

test("what is wrong with defaults has its place, and the entries are still checked", () => {
  const text = lines(
    "defaults:",
    "  task_default_que: main",
    "  task_routes: {'shop.*': {queue: shop, prority: 5}}",
    "  task_compression: zlib",
    "schedules:",
    "  a: {every: 1s, task: a, optins: {}}",
  );
  assert.deepEqual(
    parseScheduleFile(text, "f.yaml").problems.map((problem) => problem.describe()),
    [
      'f.yaml:2:3: defaults.task_default_que: unknown key "task_default_que". Did you mean "task_default_queue"?',
      'f.yaml:3:41: defaults.task_routes.shop.*.prority: unknown key "prority". Did you mean "priority"?',
      'f.yaml:6:27: entry "a", optins: unknown key "optins". Did you mean "options"?',
    ],
  );
  const compression = lines("defaults: {task_compression: snappy}", "schedules:", "  a: {every: 1s, task: a}");
  assert.match(
    parseScheduleFile(compression, "f.yaml").problems[0]!.describe(),
    /^f\.yaml:3:3: entry "a", options\.compression: "snappy" is not a compression of Celery's/,
  );
});
