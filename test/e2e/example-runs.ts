// What each example does when it is run, wherever it lies: among the sources, or in a project that has installed the package.

import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { folder } from "./beat.ts";
import { Running, systemEnvironment } from "./running.ts";

export interface Place {
  /** Where the examples are. */
  readonly examples: string;
  /** `.ts` or `.js`. */
  readonly extension: string;
  /** The command `beat`: its file, which Node runs. */
  readonly beat: string;
}

type ExampleRun = (t: TestContext, place: Place) => Promise<void>;

function start(t: TestContext, { examples, extension }: Place, name: string, ...args: string[]): Running {
  return new Running(t, process.execPath, [join(examples, `${name}${extension}`), ...args]);
}

async function toItsEnd(running: Running): Promise<string> {
  assert.equal(await running.exitCode(), 0, running.text);
  return running.text;
}

export const exampleRuns: Readonly<Record<string, ExampleRun>> = {
  async embed(t, place) {
    const text = await toItsEnd(start(t, place, "embed"));
    assert.match(text, /the next reports: \d{4}-\d\d-\d\dT1[34]:00:00.000Z/);
    assert.ok(text.split("tick").length > 3);
    assert.match(text, /once, and that was it/);
  },

  async "web-reminders"(t, place) {
    const file = join(await folder(t), "reminders.sqlite");
    const begin = async () => {
      const server = start(t, place, "web-reminders", file, "0");
      const [url] = await server.until(/http:\S+/);
      return { server, url };
    };
    const add = (url: string, text: string, at: Date | string) =>
      fetch(url, { method: "POST", body: JSON.stringify({ text, at }) });
    const first = await begin();
    assert.equal((await add(first.url, "tea", new Date(Date.now() + 3_000))).status, 200);
    await first.server.until(/reminder: tea/);
    assert.equal((await add(first.url, "lunch", "soon")).status, 400);
    assert.equal((await add(first.url, "breakfast", "2020-01-01T08:00Z")).status, 400);
    const missed = Date.now() + 3_000;
    await add(first.url, "cake", new Date(missed));
    first.server.signalGroup("SIGKILL");
    await first.server.exitCode();
    while (Date.now() < missed + 1_500)
      await new Promise((resolve) => setTimeout(resolve, missed + 1_500 - Date.now()));
    const second = await begin();
    await second.server.until(/reminder: cake \(late: nobody was here\)/);
    assert.match(await (await fetch(second.url)).text(), /"reminder: cake"/);
    second.server.child.kill("SIGTERM");
    assert.equal(await second.server.exitCode(), 0, second.server.text);
  },

  async etl(t, place) {
    const text = await toItsEnd(start(t, place, "etl/etl"));
    const [, rows, tookMs, latestMs] = text.match(/(\d+) rows in (\d+) ms; .* more than (\d+) ms late/)!.map(Number);
    assert.ok(rows! > 0);
    // Were the timetable held up, it would be as late as the transformation takes.
    assert.ok(tookMs! >= 1_000 && latestMs! < tookMs!, text);
  },

  async "reminder-bot"(t, place) {
    const text = await toItsEnd(start(t, place, "reminder-bot"));
    assert.match(text, /10000 reminders are waiting/);
    assert.match(text, /5000 reminders were sent/);
  },

  async cron(t, { examples, beat }) {
    const cwd = await folder(t);
    await cp(join(examples, "cron"), join(cwd, "cron"), { recursive: true });
    const database = ["--schedule-db", "cron.sqlite"];
    const run = (...args: string[]) =>
      new Running(t, process.execPath, [beat, ...args, ...database], { cwd, env: systemEnvironment() });
    const daemon = run("start", "--schedules", "cron");
    await daemon.until(/ran reboot in/);
    await daemon.until(/ran disk in/);
    await daemon.until(/failed broken: exit code 3: no such table/);
    assert.equal(await run("trigger", "backup").exitCode(), 0);
    await daemon.until(/ran backup in/);
    const history = async (name: string) => toItsEnd(run("history", name));
    assert.match(
      await history("backup"),
      /ran \(manual\).*\n {2}exit code 0\n {2}stdout: dump of db1 on [\d-]+ into \/tmp\n {2}stderr: \d+\n/,
    );
    assert.match(await history("disk"), / ran .*\n {2}exit code 0\n {2}stdout: Filesystem/);
    assert.match(await history("broken"), /failed .*exit code 3.*\n {2}exit code 3\n {2}stderr: no such table/);
    daemon.child.kill("SIGTERM");
    assert.equal(await daemon.exitCode(), 0, daemon.text);
  },
};
