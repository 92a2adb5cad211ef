// What runs within a worker thread: one job at a time, which finds there what it would find in the process.

import type { MessagePort } from "node:worker_threads";
import { JobError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import { type JobContext, type JobSource, loadJob } from "./job.ts";
import { failureReason } from "./reason.ts";

export interface ThreadTask {
  readonly source: JobSource;
  readonly context: Readonly<Record<string, unknown>>;
  /** Takes `LogLine`, and tells why the run is aborted, in words. */
  readonly port: MessagePort;
}

export interface LogLine {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

export default async function runInThread({ source, context, port }: ThreadTask): Promise<unknown> {
  const controller = new AbortController();
  const { signal } = controller;
  port.on("message", (reason: string) => controller.abort(new JobError(reason)));
  const log = logThrough(port);
  try {
    const job = await loadJob(source);
    signal.throwIfAborted();
    return sendableValue(await job({ ...context, signal, log } as unknown as JobContext), log);
  } catch (error) {
    throw sendable(error);
  } finally {
    port.close();
  }
}

function logThrough(port: MessagePort): Log {
  const at = (level: keyof Log) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    const line: LogLine = { level, message, fields };
    try {
      port.postMessage(line);
    } catch {
      // A function among the fields, say: the line is worth more than they are.
      port.postMessage({ ...line, fields: undefined });
    }
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** What a job gave, where it can be sent; it has done its work either way. */
function sendableValue(value: unknown, log: Log): unknown {
  try {
    return structuredClone(value);
  } catch (error) {
    log.warn(`What it gave back can't leave its thread: ${failureReason(error)}`);
    return undefined;
  }
}

/** An error as it can be sent: what it carries beside its text may not be. */
function sendable(error: unknown): Error {
  const plain = new Error(failureReason(error));
  if (!(error instanceof Error)) return plain;
  plain.name = error.name;
  if (error.stack !== undefined) plain.stack = error.stack;
  return plain;
}
