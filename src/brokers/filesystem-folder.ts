// A folder of messages, a file each, as kombu's filesystem transport reads it: workers take the files in the order of their
// names, by moving them elsewhere, and look at whatever lies there, be it whole or not. So a file is written and synced in a folder of
// Beat's own within, whose name no worker takes for a message, and then moved out under its name: whoever sees it sees it whole.
// A message counts as sent once that move is on the disk.

import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BrokerError, reasonOf } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { hourMs } from "../core/time.ts";
import { codeOf } from "./amqp-failure.ts";
import { type BatchPlace, type NewRow, PartlyStored } from "./batch-link.ts";
import type { ConnectFailure } from "./kept-broker.ts";
import { countLimit } from "./kombu-rows.ts";
import type { UnreadNotice } from "./unread-notice.ts";

export interface MessageFolderOptions {
  readonly clock: Clock;
  readonly notice: UnreadNotice;
}

const closeLimitMs = 1_000;
/** Has no `.msg` in it: to old workers a part of a name is enough. */
const workshop = ".beat";
/** What file systems take as a name, in bytes, and what of it is not the queue's name. */
const maxName = 255;
const nameAround = "0123456789012345_00000000-0000-4000-8000-000000000000..msg".length;

export class MessageFolder implements BatchPlace {
  readonly name: string;
  readonly transport = "kombu's filesystem transport";
  readonly slice = { messages: 200, characters: 1 << 20 };
  readonly #path: string;
  readonly #workshop: string;
  readonly #clock: Clock;
  readonly #notice: UnreadNotice;
  /** What to add to the clock for the machine's own monotonic time, by which kombu names files. */
  readonly #bootMs: number;
  /** Files that were there when looked at last or were written since, and their queues. */
  readonly #written = new Map<string, string>();
  #count = 0;
  #underWay: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(path: string, { clock, notice }: MessageFolderOptions) {
    this.name = `the folder ${path}`;
    this.#path = path;
    this.#workshop = join(path, workshop);
    this.#clock = clock;
    this.#notice = notice;
    this.#bootMs = Number(process.hrtime.bigint() / 1_000_000n) - clock.monotonic();
  }

  /** Writes a file and removes it. Rejects with what is in the way. */
  static async open(path: string, options: MessageFolderOptions): Promise<MessageFolder> {
    const folder = new MessageFolder(path, options);
    await folder.#prepare();
    return folder;
  }

  async #prepare(): Promise<void> {
    const found = await stat(this.#path);
    if (!found.isDirectory())
      throw new BrokerError(`${this.#path} is not a folder`, { remedy: "Name a folder as data_folder_out." });
    await mkdir(this.#workshop, { mode: 0o700 }).catch((error) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
    // What a crash left. A file of another Beat that is at work is younger.
    for (const name of await readdir(this.#workshop)) {
      const path = join(this.#workshop, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: this.#clock.now() }));
      if (this.#clock.now() - mtimeMs > hourMs) await rm(path, { force: true });
    }
    const probe = join(this.#workshop, randomUUID());
    await write(probe, "probe");
    await unlink(probe);
  }

  refusal(queue: string): string | undefined {
    if (/[/\\\0]/.test(queue)) return `no file can be named after the queue "${queue}"`;
    const room = maxName - nameAround;
    return Buffer.byteLength(queue) > room
      ? `the queue's name is longer than a file's may be: ${room} bytes`
      : undefined;
  }

  store(rows: readonly NewRow[]): Promise<void> {
    const stored = this.#store(rows);
    this.#underWay = stored.catch(() => undefined);
    return stored;
  }

  async #store(rows: readonly NewRow[]): Promise<void> {
    const files = rows.map(({ queue, payload }) => ({ queue, payload, name: this.#nameFor(queue) }));
    const made = await Promise.allSettled(files.map(({ name, payload }) => write(join(this.#workshop, name), payload)));
    const failed = made.findIndex(({ status }) => status === "rejected");
    let error = (made[failed] as PromiseRejectedResult | undefined)?.reason;
    let moved = 0;
    for (const { name, queue } of files.slice(0, failed < 0 ? files.length : failed)) {
      try {
        if (this.#isClosed) throw new Error("it was closed");
        await rename(join(this.#workshop, name), join(this.#path, name));
      } catch (reason) {
        error = reason;
        break;
      }
      moved++;
      if (this.#written.size < countLimit) this.#written.set(name, queue);
    }
    if (moved > 0) await syncFolder(this.#path);
    if (moved === files.length) return;
    await Promise.allSettled(files.slice(moved).map(({ name }) => unlink(join(this.#workshop, name))));
    throw new PartlyStored(moved, error);
  }

  /** kombu's form of a name; what it leaves to chance keeps the order of one millisecond's messages. */
  #nameFor(queue: string): string {
    this.#count = (this.#count + 1) % 0x1_0000_0000;
    const place = this.#count.toString(16).padStart(8, "0");
    return `${Math.trunc(this.#bootMs + this.#clock.monotonic())}_${place}${randomUUID().slice(8)}.${queue}.msg`;
  }

  reason(error: unknown): string {
    return folderFailure(error, this.#path).reason;
  }

  /** Looks whether anybody takes what was written. What has expired stays: workers discard it, and old ones end where a file vanishes before them. */
  async clearUp(): Promise<boolean> {
    const queues = new Set(this.#written.values());
    if (queues.size === 0) return false;
    const [taken, unread] = [new Set<string>(), new Map<string, number>()];
    const names = new Set(await readdir(this.#path));
    for (const [name, queue] of this.#written) {
      if (names.has(name)) continue;
      taken.add(queue);
      this.#written.delete(name);
    }
    for (const name of names) {
      const queue = /^[^.]*\.(.*)\.msg$/s.exec(name)?.[1] ?? "";
      if (queues.has(queue)) unread.set(queue, (unread.get(queue) ?? 0) + 1);
    }
    const counts = [...unread].map(([name, count]) => ({ name, count }));
    this.#notice.observe(counts, taken, this.#clock.monotonic());
    return false;
  }

  /** Nothing is moved into the folder after. A disk that hangs is waited for no longer than a second. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const limit = Promise.withResolvers<void>();
    const cancel = this.#clock.setTimer(closeLimitMs, limit.resolve);
    await Promise.race([this.#underWay, limit.promise]);
    cancel();
  }
}

/** What is in the way of files in the folder. */
export function folderFailure(error: unknown, path: string): ConnectFailure {
  if (error instanceof BrokerError) return { reason: error.describe(), permanent: true };
  const code = codeOf(error);
  const permanent = permanentReasons[code];
  if (permanent !== undefined) return { reason: `the folder ${path} ${permanent}`, permanent: true };
  return {
    reason: `the folder ${path} ${reasons[code] ?? `cannot be written to: ${reasonOf(error)}`}`,
    permanent: false,
  };
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "is not there; create it, or mount what it is on",
  ENOSPC: "is on a disk that is full",
  EDQUOT: "is on a disk of which this user has used its share",
  EROFS: "is on a disk that is read-only",
  EIO: "is on a disk that fails (EIO)",
  ESTALE: "is on a network disk that was taken away (ESTALE)",
};
const permanentReasons: Readonly<Record<string, string>> = {
  EACCES: "may not be written to by this user",
  EPERM: "may not be written to by this user",
  ENOTDIR: "is below something that is not a folder",
};

/** Synced, and not there before. */
function write(path: string, text: string): Promise<void> {
  return writeFile(path, text, { flag: "wx", flush: true });
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
