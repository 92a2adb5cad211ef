// `beat start` with a key signs what its schedule file asks for; without one, those tasks alone fail.

import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { makeCa } from "../servers/certificates.ts";
import { beat, Daemon, folder } from "./beat.ts";

const file = `defaults: {task_serializer: auth}
schedules:
  signed: {every: 1s, task: sample.echo}
  plain: {every: 1s, task: sample.echo, options: {serializer: json}}
`;

/** The content types of the messages in the embedded broker, by entry. */
function contentTypes(database: string): Map<string, string> {
  const broker = new Database(database, { readonly: true });
  const rows = broker.prepare("SELECT payload FROM kombu_message").all() as { readonly payload: string }[];
  broker.close();
  const messages = rows.map(({ payload }) => JSON.parse(payload));
  return new Map(messages.map((each) => [each.headers.periodic_task_name, each["content-type"]]));
}

test("tasks are signed with the key that is given at the start", async (t) => {
  const cwd = await folder(t);
  await writeFile(join(cwd, "app.yaml"), file);
  const { key, certificate } = await (await makeCa(cwd)).sign("beat");
  await chmod(key, 0o644);
  const daemon = new Daemon(
    t,
    ["--schedules", "app.yaml", "--security-key", key, "--security-certificate", certificate],
    {
      cwd,
    },
  );
  await daemon.line(/Others can read the key that signs messages: chmod 600 /);
  await daemon.line(/^sent signed/);
  await daemon.line(/^sent plain/);
  assert.equal(await daemon.stop(), 0);
  assert.deepEqual(
    contentTypes(join(cwd, "beat-broker.sqlite")),
    new Map([
      ["signed", "application/data"],
      ["plain", "application/json"],
    ]),
  );
});

test("without a key they fail, with a reason, and nothing else does", async (t) => {
  const cwd = await folder(t);
  await writeFile(join(cwd, "app.yaml"), file);
  assert.equal((await beat(["validate", "app.yaml"], { cwd })).code, 0);
  const daemon = new Daemon(t, ["--schedules", "app.yaml"], { cwd });
  const failed = await daemon.line(/signed.*there is no key to sign the message with.*--security-key/);
  assert.equal(failed.level, "error");
  await daemon.line(/^sent plain/);
  assert.equal(await daemon.stop(), 0);
  assert.deepEqual([...contentTypes(join(cwd, "beat-broker.sqlite")).keys()], ["plain"]);
});

test("a key that can't be used ends the start", async (t) => {
  const cwd = await folder(t);
  await writeFile(join(cwd, "app.yaml"), file);
  const start = ["start", "--schedules", "app.yaml", "--security-key", "none.key"];
  const alone = await beat(start, { cwd });
  assert.deepEqual([alone.code, /security-certificate/.test(alone.stderr)], [2, true], alone.stderr);
  const missing = await beat([...start, "--security-certificate", "none.pem"], { cwd });
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /security: ENOENT.*none\.key/);
});
