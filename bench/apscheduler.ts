// A Python that has APScheduler, and Celery too.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { celeryVenv } from "../test/servers/celery.ts";

const wanted = "APScheduler==3.11.3";
const run = promisify(execFile);

/** Runs a script of this folder to its end; what it printed. Needs Python 3 with venv, and the network once. */
export async function runWithApscheduler(script: string, args: readonly string[]): Promise<string> {
  const python = await celeryVenv("5.7.0");
  const folder = join(import.meta.dirname, "../.cache", wanted.replace("==", "-"));
  if (!existsSync(folder)) {
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder, wanted];
    await run(python, pip);
  }
  const env = { ...process.env, PYTHONPATH: folder };
  const { stdout } = await run(python, [join(import.meta.dirname, script), ...args], { env });
  return stdout;
}
