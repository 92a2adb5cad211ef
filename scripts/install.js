// Runs before `npm start` and `npm test`: installs the locked dependencies where they are missing or out of date. It
// needs nothing but npm and a Node of the last years; Node 24 itself comes with the dependencies.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const mark = join(root, "node_modules", ".installed-lock");
const wanted = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");

if (!existsSync(mark) || readFileSync(mark, "utf8") !== wanted) {
  console.error("Installing dependencies (npm ci)…");
  const npm = process.env.npm_execpath;
  const [command, ...head] = npm ? [process.execPath, npm] : ["npm"];
  const { status, error } = spawnSync(command, [...head, "ci", "--loglevel=error", "--no-audit", "--no-fund"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: !npm && process.platform === "win32",
  });
  if (error || status !== 0) {
    console.error(
      `npm ci failed${error ? `: ${error.message}` : ` with exit code ${status}`}. Mend that, then try again.`,
    );
    process.exit(1);
  }
  writeFileSync(mark, wanted);
}
