// Runs before the tests: makes what they need beside npm's packages, a Celery of each tested version, RQ,
// RabbitMQ, Redis, PostgreSQL, an SQS (moto), openssl and faketime.
// With everything there it takes a moment. What it can't make it names, with the remedy, and ends with 1: no test is skipped.

import { spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { celeryVenv, celeryVersions } from "../test/servers/celery.ts";
import { postgresBinaries } from "../test/servers/postgres.ts";
import { pythonVenv } from "../test/servers/python.ts";

interface Tool {
  readonly name: string;
  readonly isThere: () => boolean;
  /** Debian's name of it. */
  readonly aptPackage: string;
  readonly remedy: string;
}

const programFolders = [
  ...(process.env["PATH"] ?? "").split(":"),
  "/usr/lib/rabbitmq/bin",
  "/usr/local/sbin",
  "/usr/sbin",
  "/opt/homebrew/sbin",
];
const hasProgram = (name: string) => programFolders.some((folder) => existsSync(join(folder, name)));

const tools: readonly Tool[] = [
  {
    name: "git",
    isThere: () => hasProgram("git"),
    aptPackage: "git",
    remedy: "apt-get install -y git",
  },
  {
    name: "rabbitmq-server",
    isThere: () => hasProgram("rabbitmq-server"),
    aptPackage: "rabbitmq-server",
    remedy: "apt-get install -y rabbitmq-server (or brew install rabbitmq)",
  },
  {
    name: "redis-server",
    isThere: () => hasProgram("redis-server"),
    aptPackage: "redis-server",
    remedy: "apt-get install -y redis-server (or brew install redis)",
  },
  {
    name: "PostgreSQL",
    isThere: () => postgresBinaries() !== undefined,
    aptPackage: "postgresql",
    remedy: "apt-get install -y postgresql (or brew install postgresql)",
  },
  {
    name: "openssl",
    isThere: () => hasProgram("openssl"),
    aptPackage: "openssl",
    remedy: "apt-get install -y openssl",
  },
  {
    name: "faketime",
    isThere: () => globSync("/usr/lib/*/faketime/libfaketimeMT.so.1").length > 0,
    aptPackage: "faketime",
    remedy: "apt-get install -y faketime (the tests that put the clock back run on Linux)",
  },
];

try {
  install(tools.filter(({ isThere }) => !isThere()));
  const slow = setTimeout(
    () => console.error(`Making Python environments with Celery ${celeryVersions.join(" and ")}, moto and RQ…`),
    2_000,
  );
  await Promise.all([...celeryVersions.map(celeryVenv), pythonVenv("moto"), pythonVenv("rq")]).finally(() =>
    clearTimeout(slow),
  );
} catch (error) {
  console.error(`The tests can't run yet: ${(error as Error).message}`);
  process.exitCode = 1;
}

/** Debian's packages, where this user may. Throws an error that says what is left to do. */
function install(missing: readonly Tool[]): void {
  if (missing.length === 0) return;
  if (process.getuid?.() === 0 && hasProgram("apt-get")) {
    console.error(`Installing what the tests need: ${missing.map(({ name }) => name).join(", ")}…`);
    apt("update", "-qq");
    apt("install", "-y", "-qq", "--no-install-recommends", ...missing.map(({ aptPackage }) => aptPackage));
  }
  const left = missing.filter(({ isThere }) => !isThere());
  if (left.length === 0) return;
  const [names, remedies] = [left.map(({ name }) => name), left.map(({ remedy }) => remedy)];
  throw new Error(`they need ${names.join(" and ")}. Install it: ${remedies.join("; ")}.`);
}

/** What it fails at shows in what is still missing; its own words stand above that. */
function apt(...args: readonly string[]): void {
  // RUNLEVEL=1: the tests start servers of their own; the package's service must not run beside them.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  spawnSync("apt-get", args, { env, stdio: ["ignore", "ignore", "inherit"] });
}
