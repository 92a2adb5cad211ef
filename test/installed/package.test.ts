// What is published, as those find it who install it: the tarball is made, looked at by the tools that know what importers trip over,
// and put into empty projects, of JavaScript and of TypeScript, that run the examples with nothing else.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { folder, root } from "../e2e/beat.ts";
import { exampleRuns } from "../e2e/example-runs.ts";
import { failureOnOlderNode } from "./older-node.ts";

const run = promisify(execFile);
const tool = (name: string) => join(root, "node_modules/.bin", name);

interface Manifest {
  readonly files: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
}

test("the package", { concurrency: 2 }, async (t) => {
  const app = await folder(t);
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as Manifest;
  const build = ["-p", join(root, "tsconfig.build.json"), "--outDir", join(app, "dist")];
  await run(tool("tsc"), build).catch((error) => assert.fail(error.stdout));
  for (const file of ["package.json", ...manifest.files])
    if (file !== "dist") await cp(join(root, file), join(app, file), { recursive: true });
  await run("npm", ["pack", "--ignore-scripts"], { cwd: app });
  const tarball = join(app, (await readdir(app)).find((name) => name.endsWith(".tgz"))!);

  await t.test("publint finds nothing", async () => {
    const { messages, pkg } = await publint({ pkgDir: app, strict: true, pack: false });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      [],
    );
  });
  await t.test("its types are right for all who import it", async () => {
    await run(tool("attw"), [tarball, "--profile", "esm-only", "--no-color"]).catch((error) =>
      assert.fail(`${error.stdout}${error.stderr}`),
    );
  });
  await t.test("on too old a Node it says so", async (t) => {
    const project = await newProject(t, tarball, manifest);
    for (const name of ["beatd", "beatd/testing"]) {
      await writeFile(join(project, "program.js"), `import "${name}";\n`);
      const { stderr } = await failureOnOlderNode(["program.js"], project);
      assert.match(stderr, /UsageError: beatd needs Node 24 or newer, and this is Node \d+/);
    }
  });
  const projects = (["JavaScript", "TypeScript"] as const).map((language) =>
    t.test(`a project of ${language}`, async (t) => {
      const extension = language === "TypeScript" ? ".ts" : ".js";
      const project = await newProject(t, tarball, manifest);
      await copyExamples(project, extension);
      if (language === "TypeScript") await checkTypes(project);
      const place = { examples: project, extension, beat: join(project, "node_modules/beatd/bin/beat.js") };
      for (const [name, example] of Object.entries(exampleRuns)) await t.test(`runs ${name}`, (t) => example(t, place));
    }),
  );
  await Promise.all(projects);
});

/** With what an installation would fetch, from here, and nothing else. */
async function newProject(t: TestContext, tarball: string, { dependencies }: Manifest): Promise<string> {
  const project = await folder(t);
  const installed = join(project, "node_modules/beatd");
  await mkdir(installed, { recursive: true });
  await run("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);
  for (const name of [...Object.keys(dependencies), "@types/node"]) {
    await mkdir(dirname(join(project, "node_modules", name)), { recursive: true });
    await symlink(join(root, "node_modules", name), join(project, "node_modules", name));
  }
  await writeFile(join(project, "package.json"), '{"private": true, "type": "module"}');
  return project;
}

/** As their readers have them: from "beatd", and in their language. */
async function copyExamples(project: string, extension: string): Promise<void> {
  const examples = join(root, "examples");
  await cp(join(examples, "cron"), join(project, "cron"), { recursive: true });
  for (const file of globSync("{*,etl/*}.ts", { cwd: examples })) {
    const text = (await readFile(join(examples, file), "utf8")).replaceAll(/"(\.\.\/)+src\/index\.ts"/g, '"beatd"');
    const to = join(project, file.replace(/\.ts$/, extension));
    await mkdir(dirname(to), { recursive: true });
    await writeFile(to, extension === ".ts" ? text : stripTypeScriptTypes(text).replaceAll(".ts#", ".js#"));
  }
}

async function checkTypes(project: string): Promise<void> {
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["preserve", "bundler"],
  ]) {
    const compilerOptions = {
      ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, types: ["node"] },
      ...{ target: "es2024", lib: ["es2024", "esnext"], module, moduleResolution },
    };
    await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["**/*.ts"] }));
    await run(tool("tsc"), ["-p", project]).catch((error) => assert.fail(`${moduleResolution}: ${error.stdout}`));
  }
}
