// Process 1 of the image, in a pid namespace of its own, as a container is one.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { root } from "../e2e/beat.ts";
import { Running } from "../e2e/running.ts";

const init = ["/bin/sh", join(root, "scripts/container-init.sh")];

/** Leaves five orphans that end; says so when none of them is left, and each signal that it gets. */
const program = `
const { spawn } = require("node:child_process");
const { readdirSync, readFileSync } = require("node:fs");
const orphans = [];
for (let n = 0; n < 5; n++)
  spawn("sh", ["-c", "sleep 0.1 & echo $!"]).stdout.on("data", (pid) => orphans.push(String(pid).trim()));
const look = () => {
  if (orphans.length === 5 && orphans.every((pid) => !readdirSync("/proc").includes(pid))) console.log("none left", process.pid);
  else setTimeout(look, 20);
};
look();
setInterval(() => {}, 60_000);
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) process.on(signal, () => console.log(signal));
process.on("SIGTERM", () => setTimeout(() => process.exit(6), 50));
`;

/** `init` with a program, and its process id outside. */
function asFirst(
  t: TestContext,
  ...command: readonly string[]
): { readonly running: Running; readonly pid: () => number } {
  const running = new Running(t, "unshare", [
    "--map-root-user",
    "--pid",
    "--fork",
    "--mount-proc",
    ...init,
    ...command,
  ]);
  const { pid } = running.child;
  return { running, pid: () => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")) };
}

test("what others leave behind is collected, signals are passed on, and it ends as its program ends", async (t) => {
  const { running, pid } = asFirst(t, process.execPath, "-e", program);
  await running.until(/none left 2\n/);
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.kill(pid(), signal);
    await running.until(new RegExp(signal));
  }
  assert.equal(await running.exitCode(), 6);
});

test("a program that a signal ends", async (t) => {
  const { running } = asFirst(t, "/bin/sh", "-c", "kill -KILL $$");
  assert.equal(await running.exitCode(), 128 + 9);
});
