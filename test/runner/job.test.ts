import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { JobError } from "../../src/core/errors.ts";
import { type JobContext, Jobs } from "../../src/runner/job.ts";

let root: string;
let folder: string;
const context = {} as JobContext;

before(async () => {
  root = await mkdtemp(path.join(tmpdir(), "beat-jobs-"));
  folder = path.join(root, "schedules");
  await mkdir(path.join(folder, "jobs"), { recursive: true });
  await mkdir(path.join(root, "schedules-of-others"));
  const write = (name: string, text: string) => writeFile(path.join(folder, name), text);
  await write(
    "jobs/tidy.ts",
    'export default function (): string { return "tidied"; }\nexport const sweep = async (): Promise<string> => "swept";\nexport const depth = 3;\n',
  );
  await write("jobs/plain.mjs", "export const only = () => 1;\n");
  await write("jobs/empty.ts", "export const answer = 42;\n");
  await write("jobs/broken.ts", "export default function ( {\n");
  await write("jobs/throws.ts", 'throw new Error("no database");\n');
  await writeFile(path.join(root, "outside.ts"), "export default () => 'outside';\n");
  await writeFile(path.join(root, "schedules-of-others", "job.ts"), "export default () => 'outside';\n");
  await symlink(path.join(root, "outside.ts"), path.join(folder, "jobs/link.ts"));
  await symlink(path.join(folder, "jobs/tidy.ts"), path.join(folder, "inside.ts"));
});

after(() => rm(root, { recursive: true, force: true }));

const registered = new Map([
  ["cleanup", () => "cleaned"],
  ["report", () => "reported"],
]);

async function refusal(job: string, jobs = new Jobs(registered, folder)): Promise<string> {
  const error = await jobs.find(job).then(
    () => assert.fail(`${job} was found`),
    (error: unknown) => error,
  );
  assert.ok(error instanceof JobError, String(error));
  return error.describe().replaceAll(root, "ROOT");
}

test("a registered function is found by its name", async () => {
  assert.equal((await new Jobs(registered, undefined).find("cleanup"))(context), "cleaned");
});

for (const [job, expected] of [
  ["./jobs/tidy.ts", "tidied"],
  ["./jobs/tidy.ts#default", "tidied"],
  ["./jobs/tidy.ts#sweep", "swept"],
  ["./jobs/plain.mjs#only", 1],
  ["./inside.ts#sweep", "swept"],
  ["./jobs/../jobs/tidy.ts", "tidied"],
] as const) {
  test(`${job} is imported from the jobs folder`, async () => {
    assert.equal(await (await new Jobs(registered, folder).find(job))(context), expected);
  });
}

for (const [job, expected] of [
  ["clenup", 'no job is registered as "clenup". Did you mean "cleanup"?'],
  ["something", 'no job is registered as "something"'],
  ["jobs/tidy.ts#sweep", 'no job is registered as "jobs/tidy.ts#sweep". Write a file as "./jobs/tidy.ts#sweep".'],
  ["node:fs#rmSync", 'no job is registered as "node:fs#rmSync"'],
  ["data:text/javascript,export default 1", 'no job is registered as "data:text/javascript,export default 1"'],
  ["./jobs/tdy.ts", 'there is no file ./jobs/tdy.ts. Did you mean "tidy.ts"?'],
  ["./nowhere/x.ts", "there is no file ./nowhere/x.ts. Job files are found from the schedule file's folder."],
  [
    "./jobs/tidy.ts#sweeep",
    './jobs/tidy.ts has no export "sweeep". Did you mean "sweep"? Functions that it exports: default, sweep.',
  ],
  [
    "./jobs/tidy.ts#depth",
    './jobs/tidy.ts exports "depth", but not as a function. Functions that it exports: default, sweep.',
  ],
  ["./jobs/plain.mjs", './jobs/plain.mjs has no export "default". Functions that it exports: only.'],
  ["./jobs/empty.ts#hasOwnProperty", './jobs/empty.ts has no export "hasOwnProperty". It exports no function.'],
  ["./jobs", "./jobs is not a file"],
  ["./jobs/throws.ts", "./jobs/throws.ts can't be loaded: Error: no database"],
  [
    "../outside.ts",
    "../outside.ts leads out of the jobs folder ROOT/schedules. Keep job files in that folder, or name another one at start.",
  ],
  [
    "./jobs/link.ts",
    "./jobs/link.ts leads out of the jobs folder ROOT/schedules. Keep job files in that folder, or name another one at start.",
  ],
  [
    "../schedules-of-others/job.ts",
    "../schedules-of-others/job.ts leads out of the jobs folder ROOT/schedules. Keep job files in that folder, or name another one at start.",
  ],
  [
    "/etc/passwd",
    "/etc/passwd leads out of the jobs folder ROOT/schedules. Keep job files in that folder, or name another one at start.",
  ],
] as const) {
  test(`${job} is refused clearly`, async () => assert.equal(await refusal(job), expected));
}

test("a module with a syntax error is refused, and imported again once it was mended", async () => {
  const jobs = new Jobs(registered, folder);
  assert.match(await refusal("./jobs/broken.ts", jobs), /^\.\/jobs\/broken\.ts can't be loaded: SyntaxError: /);
  const file = path.join(folder, "jobs/broken.ts");
  await writeFile(file, "export default () => 'mended';\n");
  await utimes(file, new Date(), new Date(Date.now() + 10_000));
  assert.equal((await jobs.find("./jobs/broken.ts"))(context), "mended");
});

test("without a jobs folder, or with one that is gone, a file is refused", async () => {
  assert.equal(
    await refusal("./jobs/tidy.ts", new Jobs(registered, undefined)),
    "./jobs/tidy.ts is a file, and there is no jobs folder. Start with a jobs folder.",
  );
  assert.match(
    await refusal("./a.ts", new Jobs(registered, path.join(root, "gone"))),
    /^the jobs folder ROOT\/gone can't be read: ENOENT/,
  );
});
