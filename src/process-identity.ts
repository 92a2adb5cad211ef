// Who holds a lease: this process, named so that another process of the same machine can find out whether it still lives.

import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { LeaseOwner } from "./core/ports.ts";

/** A new identity each time: a process may hold several schedulers. `host`: name/boot/pid namespace. */
export function thisProcess(): LeaseOwner {
  return { ownerId: randomUUID(), host: thisHost(), pid: process.pid };
}

/** Whether the holder is known to be dead. Only a process of this very machine, boot and pid namespace can be known. */
export function isDead(holder: LeaseOwner): boolean {
  if (holder.host !== thisHost() || !holder.host.includes("/boot-")) return false;
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

let host: string | undefined;

function thisHost(): string {
  host ??= [
    hostname(),
    read(() => `boot-${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}`),
    read(() => readlinkSync("/proc/self/ns/pid")),
  ]
    .filter((part) => part !== undefined)
    .join("/");
  return host;
}

/** These files are Linux's; elsewhere a dead holder is known by its lease's end alone. */
function read(source: () => string): string | undefined {
  try {
    return source();
  } catch {
    return undefined;
  }
}
