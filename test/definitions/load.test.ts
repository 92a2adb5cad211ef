import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { loadScheduleFiles, schedulesRoot } from "../../src/definitions/parse.ts";
import { schedules } from "./files-of.ts";

let root: string;
const at = (...parts: string[]) => path.join(root, ...parts);
const one = (name: string) => schedules({ [name]: "every: 1s, task: t" });

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "beat-load-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function load(paths: readonly string[], options?: { readonly jobsDir?: string }) {
  const loaded = await loadScheduleFiles(paths, options);
  return {
    ...loaded,
    origins: loaded.files.map(({ origin }) => origin),
    names: loaded.files.flatMap(({ definitions }) => definitions.map(({ name }) => name)),
    told: loaded.problems.map((problem) => problem.describe().replaceAll(root, "ROOT")),
  };
}

test("a folder: its yaml files by name, and nothing else", async () => {
  for (const name of ["b.yaml", "a.yml", "C.YAML"]) await writeFile(at(name), one(name));
  for (const name of [".hidden.yaml", "a.yaml~", "notes.txt", "x.json"]) await writeFile(at(name), "nonsense");
  await mkdir(at("jobs"));
  await writeFile(at("jobs", "deep.yaml"), one("deep"));
  const loaded = await load([root]);
  assert.deepEqual(loaded.told, []);
  assert.deepEqual(loaded.origins, ["file:C.YAML", "file:a.yml", "file:b.yaml"]);
  assert.deepEqual(loaded.names, ["C.YAML", "a.yml", "b.yaml"]);
  assert.equal(loaded.root, root);
});

test("origins are relative to the first path, whether it is there or not; a file twice is read once", async () => {
  await mkdir(at("schedules"));
  await mkdir(at("more"));
  await writeFile(at("schedules/a.yaml"), one("a"));
  await writeFile(at("more/b.yaml"), one("b"));
  const loaded = await load([at("schedules"), at("more"), at("schedules/a.yaml"), `${at("more")}/../more/b.yaml`]);
  assert.deepEqual(loaded.origins, ["file:a.yaml", "file:../more/b.yaml"]);
  assert.deepEqual((await load([at("schedules/a.yaml")])).origins, ["file:a.yaml"]);
  assert.equal(schedulesRoot([at("gone/a.yaml")]), at("gone"));
  assert.equal(schedulesRoot([`${at("gone")}/`]), at("gone"));
  assert.equal(schedulesRoot([]), process.cwd());
});

test("problems name the file as it was given", async () => {
  await writeFile(at("a.yaml"), "schedules:\n  a: {evry: 1s, task: t}\n");
  const relative = path.relative(process.cwd(), root);
  const { problems } = await loadScheduleFiles([relative]);
  assert.deepEqual(
    problems.map((problem) => problem.describe()),
    [`${relative}/a.yaml:2:7: entry "a", evry: unknown key "evry". Did you mean "every"?`],
  );
});

test("a name in two files: the first keeps it, the second is told both places", async () => {
  await writeFile(at("a.yaml"), one("ping"));
  await writeFile(at("b.yaml"), schedules({ pong: "every: 1s, task: t", ping: "every: 1s, task: t" }));
  const loaded = await load([root]);
  assert.deepEqual(loaded.told, [
    'ROOT/b.yaml:3:3: the name is taken: ROOT/a.yaml:2:3 has an entry "ping" already. Rename or remove one of them.',
  ]);
  assert.deepEqual(loaded.names, ["ping", "pong"]);
  assert.deepEqual(
    loaded.files.map(({ problems }) => problems.length),
    [0, 1],
  );
});

test("what can't be read is told, and known to be unknown", async () => {
  await mkdir(at("empty"));
  await mkdir(at("folder.yaml"));
  await writeFile(at("a.yaml"), one("a"));
  await writeFile(at("notes.txt"), "x");
  await writeFile(at("latin.yaml"), Buffer.from("# caf\xe9\nschedules: {}\n", "latin1"));
  await writeFile(at("large.yaml"), "");
  await truncate(at("large.yaml"), 10_485_761);
  const given = ["a.yaml", "gone.yaml", "gone", "empty", "folder.yaml", "notes.txt", "latin.yaml", "large.yaml"].map(
    (name) => at(name),
  );
  const loaded = await load(given);
  assert.deepEqual(loaded.told, [
    "ROOT/gone: the folder can't be read: there is none of that name",
    "ROOT/empty: the folder holds no schedule file (*.yaml, *.yml)",
    "ROOT/notes.txt: a schedule file ends in .yaml or .yml. Rename it.",
    "ROOT/gone.yaml: the file can't be read: there is none of that name",
    "ROOT/folder.yaml: this is not a file",
    "ROOT/latin.yaml: the file is not text in UTF-8",
    "ROOT/large.yaml: the file has 10485761 bytes, more than 10 MiB. Divide it.",
  ]);
  assert.deepEqual(loaded.names, ["a"]);
  assert.deepEqual(loaded.unreadFolders, ["gone", "empty", "notes.txt"]);
});

test("a root that is gone leaves its entries unknown", async () => {
  assert.deepEqual((await load([at("gone")])).unreadFolders, ["."]);
});

test("a file without the right to read it", {
  skip: process.getuid?.() === 0 && "root may read everything",
}, async () => {
  await writeFile(at("a.yaml"), one("a"));
  await chmod(at("a.yaml"), 0);
  assert.deepEqual((await load([root])).told, ["ROOT/a.yaml: the file can't be read: this user has no right to"]);
});

test("a byte order mark does no harm; links are followed", async () => {
  await mkdir(at("data"));
  await writeFile(at("data/a.yaml"), `\ufeff${one("a")}`);
  await mkdir(at("mounted"));
  await symlink(at("data/a.yaml"), at("mounted/a.yaml"));
  const loaded = await load([at("mounted")]);
  assert.deepEqual([loaded.told, loaded.names], [[], ["a"]]);
});

test("jobs are relative to their file, and become relative to the jobs folder", async () => {
  await mkdir(at("app/schedules"), { recursive: true });
  const job = (target: string) => schedules({ a: `every: 1s, job: "${target}"` });
  await writeFile(at("app/schedules/a.yaml"), job("./jobs/tidy.ts#sweep"));
  const jobOf = async (options?: { readonly jobsDir?: string }) =>
    (await load([at("app/schedules")], options)).files[0]!.definitions[0]?.definition.job;
  assert.equal(await jobOf(), "./jobs/tidy.ts#sweep");
  assert.equal(await jobOf({ jobsDir: at("app") }), "./schedules/jobs/tidy.ts#sweep");
  await writeFile(at("app/schedules/a.yaml"), job("../lib/tidy.ts"));
  assert.equal(await jobOf(), undefined);
  assert.equal(await jobOf({ jobsDir: at("app") }), "./lib/tidy.ts");
});
