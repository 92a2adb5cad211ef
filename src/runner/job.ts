// Jobs that run inside this process: functions registered by name, and functions that modules export. A module is
// imported when it is first needed and again after its file changed, so that a mended job needs no restart; what it imports
// itself stays as it was first read. Modules come from the jobs folder alone, and it is the real path, after symbolic
// links, that has to lie in it: an entry is data and must not choose code from elsewhere on the machine.

import { readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Entry } from "../core/entry.ts";
import { JobError, nearest, reasonOf } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import { namesModule } from "../core/target.ts";

/** What a job is told about the run. */
export interface JobContext {
  /** The entry, as it was when the run was claimed. */
  readonly entry: Entry;
  /** What this run is given: a copy of the entry's `params`, or what whoever asked for the run gave it. */
  readonly params: unknown;
  /** The nominal fire time: the instant that the schedule names, however late the run begins. */
  readonly fireTime: Date;
  /** When the run was due: the fire time plus jitter. */
  readonly dueTime: Date;
  /** How long after the due time it begins. */
  readonly lateMs: number;
  /** How many fire times before this one did not run (late, or coalesced), so that this run stands for them too. */
  readonly missedCount: number;
  /** The occurrence's id: the same when an occurrence is run again after a crash. */
  readonly runId: string;
  /** 1 for the first try, 2 for the first retry. */
  readonly attempt: number;
  /** Somebody asked for this run; the schedule did not. */
  readonly manual: boolean;
  /** Aborted at the timeout and when Beat stops. A job that goes on regardless is given up after 5 s. */
  readonly signal: AbortSignal;
  /** Writes to Beat's log, with the entry's name and the run's id. */
  readonly log: Log;
}

/** A job. It fails by throwing or rejecting; what it returns is its result. */
export type JobFunction = (context: JobContext) => unknown;

/** What holds for all runs of a job, whichever entry they are of. */
export interface JobLimits {
  /** How many runs of it go on at once at most; others wait. */
  readonly maxInstances?: number;
  /** Whether a run that failed is worth another try, within its `retries`. */
  readonly retryIf?: (error: unknown, attempt: number) => boolean;
}

type Module = Readonly<Record<string, unknown>>;

/** A function of a module, found where it may come from. Can be sent to a thread. */
export interface JobSource {
  readonly href: string;
  /** As it was written. */
  readonly file: string;
  readonly exported: string;
}

/** Imports the module, which is kept, and gives its function. Rejects with JobError. */
export async function loadJob({ href, file, exported }: JobSource): Promise<JobFunction> {
  const module = await (import(href) as Promise<Module>).catch((error: unknown) => {
    const kind = error instanceof Error ? `${error.name}: ` : "";
    throw new JobError(`${file} can't be loaded: ${kind}${reasonOf(error)}`, { cause: error });
  });
  return functionOf(module, file, exported);
}

export class Jobs {
  readonly #registered: ReadonlyMap<string, JobFunction>;
  readonly #folder: string | undefined;
  readonly #firstVersions = new Map<string, number>();

  constructor(registered: ReadonlyMap<string, JobFunction>, folder: string | undefined) {
    this.#registered = registered;
    this.#folder = folder;
  }

  /** Why there is no job of this name; undefined: there is, or it is a file, which is looked for when it runs. */
  whyMissing(job: string): string | undefined {
    return this.#registered.has(job) || namesModule(job) ? undefined : this.#unregistered(job).describe();
  }

  registered(name: string): JobFunction | undefined {
    return this.#registered.get(name);
  }

  /** The function of `name`, or of `./file.ts#export` (`default` where none is named). Rejects with JobError. */
  async find(job: string): Promise<JobFunction> {
    return this.registered(job) ?? loadJob(await this.source(job));
  }

  /** Where the function of `./file.ts#export` is. Rejects with JobError. */
  async source(job: string): Promise<JobSource> {
    if (!namesModule(job)) throw this.#unregistered(job);
    const hash = job.lastIndexOf("#");
    const file = hash < 0 ? job : job.slice(0, hash);
    const exported = hash < 0 ? "default" : job.slice(hash + 1);
    return { href: await this.#locate(file), file, exported };
  }

  #unregistered(job: string): JobError {
    const guess = nearest(job, this.#registered.keys());
    const isUnmarked = /\.[cm]?[jt]s(#|$)/.test(job);
    const remedy = isUnmarked ? `Write a file as "./${job}".` : guess ? `Did you mean "${guess}"?` : undefined;
    return new JobError(`no job is registered as "${job}"`, remedy === undefined ? {} : { remedy });
  }

  /** The URL of the file as it is now. */
  async #locate(file: string): Promise<string> {
    const found = await this.#realPath(file);
    const { mtimeMs } = await stat(found);
    const first = this.#firstVersions.get(found) ?? mtimeMs;
    this.#firstVersions.set(found, first);
    const url = pathToFileURL(found);
    if (mtimeMs !== first) url.searchParams.set("changed", String(mtimeMs));
    return url.href;
  }

  async #realPath(file: string): Promise<string> {
    if (this.#folder === undefined) {
      throw new JobError(`${file} is a file, and there is no jobs folder`, { remedy: "Start with a jobs folder." });
    }
    const folder = await realpath(this.#folder).catch((error: unknown) => {
      throw new JobError(`the jobs folder ${this.#folder} can't be read: ${reasonOf(error)}`, { cause: error });
    });
    const wanted = path.resolve(folder, file);
    if (!isInside(folder, wanted)) throw leadsOut(file, folder);
    const found = await realpath(wanted).catch(async () => {
      throw await missing(file, wanted);
    });
    if (!isInside(folder, found)) throw leadsOut(file, folder);
    if (!(await stat(found)).isFile()) throw new JobError(`${file} is not a file`);
    return found;
  }
}

function functionOf(module: Module, file: string, exported: string): JobFunction {
  const value = Object.hasOwn(module, exported) ? module[exported] : undefined;
  if (typeof value === "function") return value as JobFunction;
  const functions = Object.keys(module).filter((key) => typeof module[key] === "function");
  const guess = nearest(exported, functions);
  const known =
    functions.length > 0 ? `Functions that it exports: ${functions.join(", ")}.` : "It exports no function.";
  const remedy = guess === undefined ? known : `Did you mean "${guess}"? ${known}`;
  const what = Object.hasOwn(module, exported)
    ? `exports "${exported}", but not as a function`
    : `has no export "${exported}"`;
  throw new JobError(`${file} ${what}`, { remedy });
}

function isInside(folder: string, file: string): boolean {
  const relative = path.relative(folder, file);
  return relative !== "" && relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

function leadsOut(file: string, folder: string): JobError {
  return new JobError(`${file} leads out of the jobs folder ${folder}`, {
    remedy: "Keep job files in that folder, or name another one at start.",
  });
}

async function missing(file: string, wanted: string): Promise<JobError> {
  const siblings = await readdir(path.dirname(wanted)).catch(() => [] as string[]);
  const guess = nearest(path.basename(wanted), siblings);
  const remedy =
    guess === undefined ? "Job files are found from the schedule file's folder." : `Did you mean "${guess}"?`;
  return new JobError(`there is no file ${file}`, { remedy });
}
