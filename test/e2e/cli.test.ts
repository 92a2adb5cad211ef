// The command line as a user meets it: every bad input has one clear error, an exit code, and loses nothing.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { beat, Daemon, finished, folder, root } from "./beat.ts";
import { systemEnvironment } from "./running.ts";

test("what is wrong on the line, or in the database's place", async (t) => {
  const cwd = await folder(t);
  await writeFile(join(cwd, "text.sqlite"), "this is not a database, and it is longer than a header".repeat(40));
  const foreign = new Database(join(cwd, "foreign.sqlite"));
  foreign.exec("CREATE TABLE customers (id INTEGER PRIMARY KEY)");
  foreign.close();
  assert.equal((await beat(["migrate", "-d", "newer.sqlite"], { cwd })).code, 0);
  const newer = new Database(join(cwd, "newer.sqlite"));
  newer.pragma("user_version = 999");
  newer.close();
  await mkdir(join(cwd, "folder.sqlite"));
  assert.equal((await beat(["add", "there", "--every", "1h", "--run", "true"], { cwd })).code, 0);

  const table: readonly (readonly [args: string, code: number, said: RegExp])[] = [
    ["", 2, /no command given.*start/],
    ["strat", 2, /no command "strat".*Did you mean "start"/],
    ["list --jsn", 2, /beat list does not know "jsn". Did you mean --json/],
    ["list extra", 2, /beat list does not know "extra". See beat list --help/],
    ["validate", 2, /it is written: beat validate <files/],
    ["resume there --from then", 2, /--from: "then" is none of "now", "missed"/],
    ["start -d beat.sqlite --security-key key.pem", 2, /--security-key needs --security-certificate/],
    ["list -d sqlite:///beat.sqlite", 2, /is a URL.*SQLite file, whose path is meant/],
    ["show nowhere", 5, /^beat: there is no entry "nowhere". `beat list` tells/],
    ["show thre", 5, /Did you mean "there"/],
    ["remove nowhere", 5, /no entry "nowhere"/],
    ["add there --every 1h --run true", 2, /already.*--replace/],
    ["add x --run true", 2, /no trigger/],
    ["add x --every 1h", 2, /no target/],
    ["add x --every 1h --cron * --run true", 2, /second trigger/],
    ["add x --every 1h --run true --task a.b", 2, /second target/],
    ["add x --every 0 --run true", 2, /too short|duration/],
    ["add x --every 1hour --run true", 2, /"1hour" is not a duration/],
    ["add x --every 1h --task a.b --args {", 2, /--args is not JSON/],
    ['add x --every 1h --task a.b --args {"a":1}', 2, /args/],
    ["add x --every 1h --run true --timezone Europe/Berln", 2, /Did you mean "?Europe\/Berlin/],
    ["add x --at 2020-01-01T00:00 --run true", 2, /past/],
    ["next --cron 99_*_*_*_*", 2, /99/],
    ["next --crontab 0_0_30_2_*", 2, /never/],
    ["next", 2, /either the name of an entry or a trigger/],
    ["retry", 2, /the name of an entry, or --all/],
    ["retry there --at tomorrow", 2, /"tomorrow" is not a date/],
    ["why nowhere", 5, /no entry "nowhere"/],
    ["why there noon", 2, /"noon" is not a date/],
    ["start -d beat.sqlite --max-rate 0", 2, /max-rate/],
    ["list -d missing.sqlite", 3, /missing\.sqlite/],
    ["list -d text.sqlite", 3, /not a (SQLite )?database/i],
    ["list -d foreign.sqlite", 3, /another program/],
    ["list -d newer.sqlite", 3, /newer/],
    ["list -d folder.sqlite", 3, /folder/],
    ["start -d beat.sqlite --broker carrot://host", 4, /carrot/],
    ["start -d beat.sqlite --broker ampq://host", 4, /amqp/],
    ["start -d beat.sqlite --broker amqp://user:s3cret@host:notaport//", 4, /port|URL/i],
    ["start -d beat.sqlite --drain soon", 2, /"soon" is not a duration/],
  ];
  for (const [args, code, said] of table) {
    const words = args === "" ? [] : args.split(" ").map((word) => word.replaceAll("_", " "));
    const result = await beat(words, { cwd });
    assert.equal(result.code, code, `beat ${args}: ${result.stderr}`);
    assert.match(result.stderr, said, `beat ${args}`);
    assert.ok(!/\n\s+at /.test(result.stderr), `no stack trace: ${result.stderr}`);
    assert.ok(!result.stderr.includes("s3cret"));
    assert.equal(result.stdout, "", `beat ${args}`);
  }
  // Nothing of another program was touched, and what was there is there.
  assert.match(await readFile(join(cwd, "text.sqlite"), "utf8"), /^this is not/);
  assert.deepEqual(
    JSON.parse((await beat(["list", "--json"], { cwd })).stdout).map(({ name }: { name: string }) => name),
    ["there"],
  );
});

test("what the commands do, one after the other", async (t) => {
  const cwd = await folder(t);
  const run = async (...args: string[]) => {
    const result = await beat(args, { cwd });
    assert.equal(result.code, 0, result.stderr);
    return result.stdout;
  };
  await run(
    "add",
    "report",
    "--crontab",
    "0 9 * * mon-fri",
    "-z",
    "America/New_York",
    "--task",
    "reports.send",
    "--args",
    '["weekly"]',
    "--options",
    '{"queue":"emails"}',
  );
  assert.match(
    await run("list"),
    /report .* -0[45]:00 .*crontab 0 9 \* \* mon-fri .*task reports\.send .*America\/New_York/,
  );
  assert.match(await run("show", "report"), /queue: emails[\s\S]*status {4}active[\s\S]*owner {5}cli/);
  assert.equal(JSON.parse(await run("next", "report", "--json", "-n", "3")).length, 3);
  assert.match(await run("pause", "report", "--note", "holiday"), /Paused report/);
  assert.match(await run("show", "report"), /paused: holiday/);
  assert.match(await run("resume", "report"), /report/);
  assert.match(await run("trigger", "report"), /No scheduler is running/);
  assert.match(await run("history", "report"), /claimed \(manual\)/);
  assert.match(await run("why", "report"), /The manual run of report for .* waits in the outbox/);
  assert.match(await run("why", "report", "2020-01-01T00:00"), /is no fire time of report.*the next one is/s);
  assert.match(await run("retry", "report"), /No run of report has failed/);
  assert.match(await run("retry", "--all", "--json"), /"count": 0/);
  assert.match(await run("status"), /leader {5}none[\s\S]*entries {4}1 active[\s\S]*1 waiting/);
  assert.match(await run("next", "--cron", "30 2 * * *", "-z", "Europe/Berlin", "-n", "2"), /LOCAL \(Europe\/Berlin\)/);
  assert.match(await run("migrate"), /up to date/);
  assert.match(await run("remove", "report"), /Removed/);
  assert.match(await run("list"), /no entries/);
  assert.match(await run("history"), /cancelled/);
  assert.match(await run("--version"), /^\d+\.\d+\.\d+$/m);
  const help = await run("start", "--help");
  for (const flag of ["--schedule-db", "--schedules", "--broker", "--declare-queues", "--log-format"])
    assert.ok(help.includes(flag));
});

test("flags come from the environment too, and secrets in them stay there", async (t) => {
  const cwd = await folder(t);
  const env = { BEAT_SCHEDULE_DB: "other.sqlite", BEAT_BROKER: "amqp://u:s3cret@127.0.0.1:1//", BEAT_UNKNOWN: "x" };
  assert.equal((await beat(["add", "there", "--every", "1h", "--run", "true"], { cwd, env })).code, 0);
  assert.match((await beat(["list", "-d", "other.sqlite"], { cwd })).stdout, /there/);
  const help = (await beat(["start", "--help"], { cwd, env })).stdout;
  assert.ok(help.includes("$BEAT_BROKER") && !help.includes("s3cret"));
});

test("validate tells every problem with its place, and files that break while running change nothing", async (t) => {
  const cwd = await folder(t);
  const file = join(cwd, "a.yaml");
  const good = 'schedules:\n  tick: {every: 1s, run: ["true"]}\n';
  await writeFile(
    file,
    `${good}  bad:\n    evry: 1s\n    run: ["true"]\n  zone: {cron: "* * * * *", timezone: Mars/Base, run: x}\n`,
  );
  const result = await beat(["validate", "a.yaml"], { cwd });
  assert.equal(result.code, 2);
  assert.match(result.stdout, /a\.yaml:4:5: .*"evry".*Did you mean "every"/);
  assert.match(result.stdout, /a\.yaml:6:\d+: .*Mars\/Base/);
  await writeFile(file, `brokers:\n  mail: {url: "redis://h/x"}\n${good}`);
  for (const command of ["validate", "lint"]) {
    const { code, stdout } = await beat([command, "a.yaml"], { cwd });
    assert.equal(code, 2);
    assert.match(stdout, /a\.yaml:2:10: brokers\.mail\.url: "x" in redis:\/\/h\/x is not the number/);
  }

  await writeFile(file, good);
  assert.equal((await beat(["validate", "a.yaml"], { cwd })).code, 0);
  const daemon = new Daemon(t, ["--schedules", cwd], { cwd });
  await daemon.line(/ran tick/);
  await writeFile(file, "schedules: [broken\n");
  await daemon.line(/a\.yaml:\d+:\d+/);
  const before = daemon.lines.length;
  await daemon.until(() => daemon.lines.slice(before).find(({ message }) => /ran tick/.test(message)), "another run");
  await writeFile(file, `${good}  tock: {every: 1s, run: ["true"]}\n`);
  await daemon.line(/ran tock/);
  await writeFile(file, 'schedules:\n  tock: {every: 1s, run: ["true"]}\n');
  await daemon.line(/1 removed/);
  assert.equal(await daemon.stop(), 0);
  assert.match((await beat(["remove", "tock"], { cwd })).stderr, /belongs to the schedule file/);
});

test("jobs that throw, hang or are missing fail with a reason, and the others go on", async (t) => {
  const cwd = await folder(t);
  await writeFile(
    join(cwd, "jobs.ts"),
    "export function throws(): void { throw new Error('boom'); }\nexport function hangs(): Promise<void> { return new Promise(() => {}); }\nexport const fine = () => {};\n",
  );
  await writeFile(
    join(cwd, "a.yaml"),
    `schedules:
  throws: {every: 1s, job: ./jobs.ts#throws}
  hangs: {every: 1s, job: ./jobs.ts#hangs, timeout: 500ms}
  missing: {every: 1s, job: ./jobs.ts#mising}
  nofile: {every: 1s, job: ./nofile.ts#x}
  fine: {every: 1s, job: ./jobs.ts#fine}
  exits: {every: 1s, run: "echo no luck >&2; exit 3"}
`,
  );
  const daemon = new Daemon(t, ["--schedules", cwd], { cwd });
  for (const line of [
    /failed throws: .*boom/,
    /failed hangs: .*timed out/,
    /failed missing: .*mising/,
    /failed nofile/,
    /failed exits: .*3.*no luck/s,
    /ran fine/,
  ])
    await daemon.line(line);
  assert.equal(await daemon.stop(), 0);
});

test("a reader that has seen enough is no failure, a full disk is one", async (t) => {
  const cwd = await folder(t);
  assert.equal((await beat(["add", "one", "--every", "1h", "--run", "true"], { cwd })).code, 0);
  const program = `"${process.execPath}" "${join(root, "bin/beat.js")}" status`;
  const inShell = (line: string) => finished(spawn("/bin/sh", ["-c", line], { cwd, env: systemEnvironment() }));
  assert.deepEqual(await inShell(`{ ${program}; echo "ended with $?" >&2; } | true`), {
    code: 0,
    stdout: "",
    stderr: "ended with 0\n",
  });
  const { code, stderr } = await inShell(`${program} > /dev/full`);
  assert.deepEqual([code, stderr], [1, "beat: the output can't be written: ENOSPC: no space left on device, write\n"]);
});
