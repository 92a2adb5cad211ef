// Python environments with pinned packages, made once and kept under .cache/.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const here = import.meta.dirname;
const cache = join(here, "../../.cache");
const run = promisify(execFile);
const installLimitMs = 5 * 60_000;

/**
 * The path of a Python that has what `requirements-<suffix>.txt` names. Made at the first call, which takes a minute; test files may
 * race. `name`: of the folder, and in errors.
 */
export async function pythonVenv(name: string, suffix = name): Promise<string> {
  const folder = join(cache, name);
  const python = join(folder, "bin/python");
  const requirements = join(here, `requirements-${suffix}.txt`);
  const mark = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex");
  const isMade = async () => (await readFile(join(folder, "made-from"), "utf8").catch(() => "")) === mark;
  if (await isMade()) return python;
  await mkdir(cache, { recursive: true });
  const unlock = await lock(`${folder}.lock`);
  try {
    if (await isMade()) return python;
    await rm(folder, { recursive: true, force: true });
    await run(await findPython(), ["-m", "venv", folder]).catch((error) => {
      throw new Error(
        `no virtual environment could be made for ${name}. Install Python 3 with venv: apt-get install -y python3-venv`,
        { cause: error },
      );
    });
    await run(python, [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "--requirement",
      requirements,
    ]).catch((error) => {
      throw new Error(
        `${name} could not be installed from PyPI. These tests need the network once, or a filled ${folder}.\n${error.stderr ?? ""}`,
        { cause: error },
      );
    });
    await writeFile(join(folder, "made-from"), mark);
    return python;
  } finally {
    await unlock();
  }
}

/** The oldest Celery here is of Python 3.11's time, so that one is preferred. */
async function findPython(): Promise<string> {
  for (const candidate of [process.env["PYTHON"], "python3.11", "python3"]) {
    if (candidate === undefined) continue;
    const works = await run(candidate, ["-c", "import venv, sys; assert sys.version_info >= (3, 9)"]).then(
      () => true,
      () => false,
    );
    if (works) return candidate;
  }
  throw new Error(
    "Python 3.9 or later is not installed, and this test starts real workers. Install it: apt-get install -y python3 python3-venv, or set PYTHON.",
  );
}

/** Waits for whoever holds it; a holder that died does not count. */
async function lock(path: string): Promise<() => Promise<void>> {
  const giveUpAt = performance.now() + installLimitMs;
  while (performance.now() < giveUpAt) {
    const file = await open(path, "wx").catch(() => undefined);
    if (file !== undefined) {
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    }
    const holder = Number(await readFile(path, "utf8").catch(() => ""));
    if (holder > 0 && !isAlive(holder)) await rm(path, { force: true });
    await sleep(200);
  }
  throw new Error(`${path} is held for more than ${installLimitMs / 60_000} minutes; remove it if nobody installs`);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
