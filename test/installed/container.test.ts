// The Dockerfile's own steps, followed in empty folders: what the image holds runs without sources and development packages,
// and so does what is published.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { chmod, chown, copyFile, cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { folder, root } from "../e2e/beat.ts";
import { Running, systemEnvironment } from "../e2e/running.ts";

const run = promisify(execFile);

interface Instruction {
  readonly word: string;
  readonly rest: string;
}

/** The instructions of the two stages. */
function stages(): readonly [build: Instruction[], image: Instruction[]] {
  const lines = readFileSync(join(root, "Dockerfile"), "utf8").split("\n");
  const instructions = lines
    .filter((line) => /^[A-Z]/.test(line))
    .map((line) => ({ word: line.split(" ")[0]!, rest: line.slice(line.indexOf(" ") + 1) }));
  const [first, second, ...more] = instructions.flatMap(({ word }, index) => (word === "FROM" ? [index] : []));
  assert.ok(first === 0 && second !== undefined && more.length === 0);
  return [instructions.slice(1, second), instructions.slice(second + 1)];
}

function only(instructions: readonly Instruction[], word: string): string {
  const [found, ...more] = instructions.filter((one) => one.word === word);
  assert.ok(found !== undefined && more.length === 0, `one ${word}`);
  return found.rest;
}

test("the image's contents and the package", async (t) => {
  const place = await folder(t);
  await chmod(place, 0o755);
  const [build, image] = stages();
  // The image's Node, where its user may read it.
  await mkdir(join(place, "node/bin"), { recursive: true });
  const node = join(place, "node/bin/node");
  await copyFile(process.execPath, node);
  const environment = systemEnvironment();
  const env = { ...environment, PATH: `${dirname(node)}:${environment["PATH"]}` };
  const app = await buildStage(join(place, "build"), build, env);
  const unpacked = join(place, "image");
  await imageStage(app, unpacked, image);

  await t.test("runs beat start as another user, and tells its health", async (t) => {
    assert.ok(!existsSync(join(unpacked, "src")));
    assert.ok(!existsSync(join(unpacked, "node_modules/typescript")));
    await runsAsUser(t, { place, unpacked, image, env });
  });
  await t.test("every package that the program imports is one that it depends on, and the other way round", () => {
    const manifest = JSON.parse(readFileSync(join(app, "package.json"), "utf8"));
    const imported = globSync("dist/**/*.js", { cwd: app }).flatMap((file) => {
      const text = readFileSync(join(app, file), "utf8");
      return [...text.matchAll(/(?:from |import\()"((?:@[^"/]+\/)?[a-z][^"/]*)[^"]*"/g)].map((match) => match[1]!);
    });
    const packages = new Set(imported.filter((name) => !name.startsWith("node:")));
    assert.deepEqual([...packages].toSorted(), Object.keys(manifest.dependencies).toSorted());
  });
  await t.test("the package holds what is needed and nothing else", () => holdsWhatIsNeeded(app, env));
  await t.test("a TypeScript program uses the package", (t) => isUsedByProgram(t, app, unpacked, env));
});

async function buildStage(app: string, instructions: readonly Instruction[], env: NodeJS.ProcessEnv): Promise<string> {
  await mkdir(app);
  for (const { word, rest } of instructions) {
    if (word === "RUN") {
      await run("/bin/sh", ["-ec", rest], { cwd: app, env, maxBuffer: 64 * 1024 * 1024 }).catch((error) =>
        assert.fail(`RUN ${rest}\n${error.stdout}${error.stderr}`),
      );
    } else if (word === "COPY") {
      const files = rest === ". ." ? await sources() : rest.split(" ").slice(0, -1);
      for (const file of files) await cp(join(root, file), join(app, file));
    } else assert.equal(`${word} ${rest}`, "WORKDIR /app");
  }
  return app;
}

/** What is in the folder of a build: what git knows or would know. */
async function sources(): Promise<string[]> {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const { stdout } = await run("git", args, { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  return stdout.split("\0").filter((file) => file !== "" && existsSync(join(root, file)));
}

async function imageStage(app: string, unpacked: string, instructions: readonly Instruction[]): Promise<void> {
  await mkdir(unpacked);
  for (const { word, rest } of instructions) {
    if (word !== "COPY") continue;
    const [from, ...paths] = rest.split(" ");
    const to = paths.pop()!;
    assert.equal(from, "--from=build");
    for (const path of paths) {
      assert.match(path, /^\/app\//);
      const name = path.slice("/app/".length);
      await cp(join(app, name), join(unpacked, to === "./" ? name : to), { recursive: true });
    }
  }
}

async function runsAsUser(
  t: TestContext,
  { place, unpacked, image, env }: { place: string; unpacked: string; image: Instruction[]; env: NodeJS.ProcessEnv },
): Promise<void> {
  const [data, schedules] = [join(place, "data"), join(place, "schedules")];
  await mkdir(data);
  await mkdir(schedules);
  await writeFile(join(schedules, "job.ts"), "export const hello = (): void => console.log('hello from a job');\n");
  await writeFile(
    join(schedules, "a.yaml"),
    "schedules:\n  job: {every: 1s, job: ./job.ts#hello}\n  whoami: {every: 1s, run: [id, -u]}\n  task: {every: 1s, task: a.task, options: {expires: 5s}}\n",
  );
  assert.equal(only(image, "USER"), "node");
  const isRoot = process.getuid!() === 0;
  const uid = isRoot ? 65_534 : process.getuid!();
  if (isRoot) await chown(data, uid, uid);
  else t.diagnostic("not root: it runs as this user");
  const settings = Object.fromEntries(
    only(image, "ENV")
      .split(" ")
      .map((each) => each.replace("/data/", `${data}/`).split("=") as [string, string]),
  );
  const options = { cwd: unpacked, env: { ...env, ...settings, HOME: "/nowhere" }, ...(isRoot && { uid, gid: uid }) };
  const [command, ...args] = JSON.parse(only(image, "ENTRYPOINT")) as string[];
  const daemon = new Running(t, command!, [...args, "--schedules", schedules], options);
  await daemon.until(/"message":"ran job in/);
  await daemon.until(/"message":"sent task → a\.task"/);
  await daemon.until(new RegExp(`"message":"${uid}"`));
  assert.ok(existsSync(join(data, "beat.sqlite")));

  const [checker, ...checkArgs] = JSON.parse(only(image, "HEALTHCHECK").replace(/^.*CMD /, "")) as string[];
  const health = async () =>
    run(checker!, checkArgs, options).then(
      () => 0,
      (error: { code: number }) => error.code,
    );
  assert.equal(await health(), 0);
  daemon.child.kill("SIGTERM");
  assert.equal(await daemon.exitCode(), 0, daemon.text);
  assert.equal(await health(), 1, "nobody leads any more");
}

async function holdsWhatIsNeeded(app: string, env: NodeJS.ProcessEnv): Promise<void> {
  const pack = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const { stdout } = await run("npm", pack, { cwd: app, env, maxBuffer: 64 * 1024 * 1024 });
  const files = (JSON.parse(stdout)[0].files as { path: string }[]).map(({ path }) => path);
  // What only declares types leaves nothing.
  const programs = globSync("src/**/*.ts", { cwd: app, exclude: (file) => file.endsWith(".d.ts") });
  const sourceFiles = programs.map((file) => file.replace(/^src/, "dist").slice(0, -3));
  const wanted = [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "bin/beat.js",
    "package.json",
    "schema/beat.schema.json",
    ...globSync("migrations/*.sql", { cwd: app }),
    ...sourceFiles.flatMap((file) => [`${file}.js`, `${file}.d.ts`]),
  ];
  assert.deepEqual(files.toSorted(), wanted.toSorted());
}

async function isUsedByProgram(t: TestContext, app: string, unpacked: string, env: NodeJS.ProcessEnv): Promise<void> {
  const consumer = await folder(t);
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", consumer], { cwd: app, env });
  const installed = join(consumer, "node_modules/beatd");
  await mkdir(installed, { recursive: true });
  const tarball = (await readdir(consumer)).find((name) => name.endsWith(".tgz"))!;
  await run("tar", ["-xzf", join(consumer, tarball), "-C", installed, "--strip-components=1"]);
  for (const name of await readdir(join(unpacked, "node_modules"))) {
    if (!name.startsWith(".") && name !== "@types")
      await symlink(join(unpacked, "node_modules", name), join(consumer, "node_modules", name));
  }
  await mkdir(join(consumer, "node_modules/@types"));
  await symlink(join(root, "node_modules/@types/node"), join(consumer, "node_modules/@types/node"));
  await writeFile(join(consumer, "package.json"), '{"type": "module"}');
  const compilerOptions = { strict: true, noEmit: true, target: "es2024", lib: ["es2024", "esnext"], types: ["node"] };
  await writeFile(
    join(consumer, "program.ts"),
    `import { BeatError, type EntryOptions, type JobContext, Scheduler, type SchedulerStatus, silentLog, sqlite } from "beatd";
import { SimulatedClock } from "beatd/testing";

const clock = new SimulatedClock(Date.UTC(2027, 0, 1));
const options: EntryOptions = { name: "minute", timezone: "Europe/Berlin", startAt: new Date(clock.now()) };
let last: Date | undefined;
await using scheduler = new Scheduler({ clock, log: silentLog, store: sqlite("jobs.sqlite") });
const handle = scheduler.every("1m", ({ fireTime }: JobContext) => { last = fireTime; }, options);
const next: Date[] = handle.next(2);
await scheduler.start();
await clock.advance(180_000);
const status: SchedulerStatus = await scheduler.status();
try {
  await scheduler.get("nowhere");
} catch (error) {
  if (!(error instanceof BeatError)) throw error;
}
// @ts-expect-error An interval is a text or a number.
if (next.length === 0) scheduler.every(new Date(), () => {});
console.log(JSON.stringify({ last, next, active: status.entries.active }));
`,
  );
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["preserve", "bundler"],
  ]) {
    const file = join(consumer, "tsconfig.json");
    await writeFile(
      file,
      JSON.stringify({ compilerOptions: { ...compilerOptions, module, moduleResolution }, include: ["*.ts"] }),
    );
    await run(join(root, "node_modules/.bin/tsc"), ["-p", consumer]).catch((error) =>
      assert.fail(`${moduleResolution}: ${error.stdout}`),
    );
  }
  const { stdout } = await run("node", ["program.ts"], { cwd: consumer, env });
  const { last, next, active } = JSON.parse(stdout);
  assert.equal(last, "2027-01-01T00:03:00.000Z");
  assert.equal(next.length, 2);
  assert.equal(active, 1);
}
