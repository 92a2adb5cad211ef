// What the documents say is done: their commands run, their files are valid, their programs compile, their links lead somewhere.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { chmod, cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { exitCodeOf, leftInOutbox } from "../../src/cli/exit-codes.ts";
import { definitionKeys } from "../../src/core/definition.ts";
import {
  BrokerError,
  DefinitionError,
  EntryNotFoundError,
  StoreError,
  StoreUnavailableError,
  UsageError,
} from "../../src/core/errors.ts";
import { metricNames } from "../../src/operating/metrics.ts";
import { beat as beatHere } from "../cli/commands.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";
import { beat, folder, root } from "./beat.ts";
import { Running, systemEnvironment } from "./running.ts";

const run = promisify(execFile);

const documents = ["README.md", "CHANGELOG.md", ...globSync("{docs,examples}/**/*.md", { cwd: root })].map((name) => ({
  name,
  text: readFileSync(join(root, name), "utf8"),
}));

interface Block {
  /** README.md:12 */
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = documents.flatMap(({ name, text }) =>
  [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((match) => ({
    place: `${name}:${text.slice(0, match.index).split("\n").length}`,
    language: match[1]!,
    text: match[2]!,
  })),
);
const blocksIn = (language: string) => blocks.filter((block) => block.language === language);

/** A line of a shell block: its command and its flags. */
const commandLines = blocksIn("sh").flatMap(({ place, text }) =>
  text
    .trim()
    .split("\n")
    .map((line) => ({ place, line })),
);
/** All that stands in code: blocks and `spans`. */
const codeOf = (text: string) =>
  [...text.matchAll(/^```.*?^```$|^ {4}[^\n]*$|`[^`\n]+`/gms)].map(([code]) => code).join("\n");

suite("the documents", { concurrency: 2 }, () => {
  test("every command line runs", async (t) => {
    const needsRabbitmq = commandLines.some(({ line }) => line.includes("127.0.0.1:5672"));
    const rabbitmq = needsRabbitmq ? await startRabbitmq() : undefined;
    t.after(() => rabbitmq?.stop());
    for (const name of new Set(commandLines.map(({ place }) => place.split(":")[0]!))) {
      const { cwd, env } = await folderWithBeat(t);
      for (const { place, line } of commandLines.filter((one) => one.place.startsWith(`${name}:`))) {
        const text = rabbitmq === undefined ? line : line.replace("127.0.0.1:5672", `127.0.0.1:${rabbitmq.port}`);
        if (/\bbeat start\b/.test(text)) await startsAndStops(t, text, place, { cwd, env });
        else {
          await run("/bin/sh", ["-ec", text], { cwd, env }).catch((error) =>
            assert.fail(`${place}: ${line}\n${error.stdout}${error.stderr}`),
          );
        }
      }
    }
  });

  test("every schedule file is valid", async (t) => {
    const cwd = await folder(t);
    assert.ok(blocksIn("yaml").length > 0);
    for (const [index, { place, text }] of blocksIn("yaml").entries()) {
      await writeFile(join(cwd, `${index}.yaml`), text);
      const { code, stdout } = await beat(["validate", `${index}.yaml`], { cwd });
      assert.equal(code, 0, `${place}: ${stdout}`);
    }
    const { code, stdout } = await beat(["validate", join(root, "schedules")]);
    assert.equal(code, 0, stdout);
  });

  test("every program compiles", async (t) => {
    const cwd = await folder(t);
    await symlink(join(root, "node_modules"), join(cwd, "node_modules"));
    await writeFile(join(cwd, "package.json"), '{"type": "module"}');
    await writeFile(
      join(cwd, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.json"),
        compilerOptions: {
          paths: {
            piscina: [join(root, "src/runner/piscina.d.ts")],
            beatd: [join(root, "src/index.ts")],
            "beatd/testing": [join(root, "src/testing/index.ts")],
          },
        },
        include: ["*.ts", join(root, "src/**/*.d.ts")],
      }),
    );
    // What a reader has of their own.
    await writeFile(
      join(cwd, "own.d.ts"),
      ["poll", "send", "greet"].map((name) => `declare function ${name}(what?: string): Promise<void>;\n`).join(""),
    );
    assert.ok(blocksIn("ts").length > 0);
    for (const { place, text } of blocksIn("ts"))
      await writeFile(join(cwd, `${place.replace(/\W/g, "-")}.ts`), `${text}\nexport {};\n`);
    await run(join(root, "node_modules/.bin/tsc"), ["-p", cwd], { cwd }).catch((error) => assert.fail(error.stdout));
  });

  test("every flag is one that the command's help names, and every command is one of beat's", async (t) => {
    const helpOf = async (...command: string[]) => (await beatHere(t, ...command, "--help")).stdout;
    const overview = await helpOf();
    const commands = [...overview.matchAll(/^ +beat ([a-z]+)/gm)].map((match) => match[1]!);
    const helps = new Map<string, string>();
    for (const command of commands) helps.set(command, await helpOf(command));
    const flagsOf = (text: string) => [...text.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map((match) => match[1]!);
    const known = (flag: string, help: string) => new RegExp(`(^|\\s)--${flag}\\s`, "m").test(help);
    // Flags of other programs that the documents start, the project's own scripts among them.
    const foreign = ["workdir", "pool", "loglevel", "init", "hours", "seed", "results", "rows", "evidence"];
    for (const { name, text } of documents) {
      for (const code of codeOf(text).split("\n")) {
        const command = /\bbeat ([a-z]+)\b/.exec(code)?.[1];
        if (command !== undefined) assert.ok(helps.has(command), `${name}: there is no beat ${command}`);
        for (const flag of flagsOf(code)) {
          const help = command === undefined ? [...helps.values(), overview].join("\n") : helps.get(command)!;
          const isForeign = command === undefined && (foreign.includes(flag) || /\bnpm run\b/.test(code));
          assert.ok(isForeign || known(flag, help), `${name}: ${code}: --${flag}`);
        }
      }
    }
    const commandLine = documents.find(({ name }) => name === "docs/cli.md")!.text;
    for (const command of commands)
      assert.match(commandLine, new RegExp(`beat ${command}\\b`), `docs/cli.md says nothing of beat ${command}`);
  });

  test("the exit codes are those of the program", () => {
    const { text } = documents.find(({ name }) => name === "docs/cli.md")!;
    const documented = [...text.matchAll(/^\| (\d) \|/gm)].map((match) => Number(match[1]));
    const errors = [
      new Error("x"),
      new UsageError("x"),
      new DefinitionError("x"),
      new StoreError("x"),
      new StoreUnavailableError("x"),
      new BrokerError("x"),
      new EntryNotFoundError("x"),
    ];
    assert.deepEqual(documented, [0, ...new Set(errors.map(exitCodeOf)), leftInOutbox]);
    assert.deepEqual(errors.map(exitCodeOf), [1, 2, 2, 3, 3, 4, 5]);
  });

  test("docs/schedules.md explains every key", () => {
    const { text } = documents.find(({ name }) => name === "docs/schedules.md")!;
    const code = codeOf(text);
    assert.deepEqual(
      definitionKeys.filter((key) => !new RegExp(`\\b${key}\\b`).test(code)),
      [],
    );
  });

  test("docs/operating.md explains every metric, and names no other", async () => {
    const { text } = documents.find(({ name }) => name === "docs/operating.md")!;
    const written = [...text.matchAll(/`(beat_\w+)`/g)].map((match) => match[1]!);
    assert.deepEqual([...new Set(written)].toSorted(), metricNames.toSorted());
  });

  test("every link leads to a file, and every npm script exists", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    for (const { name, text } of documents) {
      for (const [, target] of text.matchAll(/\]\(([^)]+)\)/g)) {
        if (/^https?:/.test(target!)) continue;
        const path = resolve(root, dirname(name), target!.split("#")[0]!);
        assert.ok(existsSync(path), `${name} links to ${target}`);
      }
      for (const [line, explicit, short] of codeOf(text).matchAll(/\bnpm (?:run ([\w:-]+)|(start|test)\b)/g))
        assert.ok(scripts[(explicit ?? short)!], `${name}: ${line}`);
    }
  });
});

/** A folder as the documents assume it: with the samples, and with `npx beat` that runs this working tree. */
async function folderWithBeat(t: TestContext): Promise<{ readonly cwd: string; readonly env: NodeJS.ProcessEnv }> {
  const cwd = await folder(t);
  await cp(join(root, "schedules"), join(cwd, "schedules"), { recursive: true });
  await mkdir(join(cwd, "bin"));
  const npx = join(cwd, "bin/npx");
  await writeFile(npx, `#!/bin/sh\nshift\nexec "${process.execPath}" "${join(root, "bin/beat.js")}" "$@"\n`);
  await chmod(npx, 0o755);
  const env = systemEnvironment();
  return { cwd, env: { ...env, PATH: `${join(cwd, "bin")}:${env["PATH"]}` } };
}

async function startsAndStops(
  t: TestContext,
  line: string,
  place: string,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<void> {
  const daemon = new Running(t, "/bin/sh", ["-c", `exec ${line} --log-format pretty`], options);
  await daemon.until(/^NAME +NEXT RUN/m);
  await daemon.until(/Connected to/);
  daemon.child.kill("SIGTERM");
  assert.equal(await daemon.exitCode(), 0, `${place}: ${line}\n${daemon.text}`);
}
