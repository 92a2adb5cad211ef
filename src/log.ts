// The one logger: winston, readable on a terminal, JSON lines elsewhere. Every text passes the mask before it leaves. A reader
// that does not read and a disk that is full cost lines of the log, which are counted, and nothing else.

import { Writable } from "node:stream";
import { createLogger, format, transports } from "winston";
import { maskAll, maskUrl } from "./core/mask.ts";
import type { Log } from "./core/ports.ts";

export interface LogOptions {
  readonly level?: "debug" | "info" | "warn" | "error";
  readonly format?: "pretty" | "json";
  readonly stream?: NodeJS.WritableStream;
}

const colors: Readonly<Record<string, string>> = { debug: "\x1b[90m", info: "", warn: "\x1b[33m", error: "\x1b[31m" };
const reset = "\x1b[0m";

export function createLog(options: LogOptions = {}): Log {
  const stream = options.stream ?? process.stderr;
  const json = options.format === "json";
  const color = "isTTY" in stream && stream.isTTY === true;
  const sink = sinkOf(stream);
  const logger = createLogger({
    level: options.level ?? "info",
    format: format.combine(format.timestamp(), json ? format.json() : format.printf((info) => pretty(info, color))),
    transports: [new transports.Stream({ stream: sink })],
  });
  const write = (level: keyof Log) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    const lost = sink.takeLost();
    if (lost > 0)
      logger.log("warn", `${lost} log lines were lost: they were not read, or could not be written.`, { lost });
    logger.log({ ...(maskAll(fields ?? {}) as object), level, message: maskUrl(message) });
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** What may wait for a reader. */
const waitingBytesAtMost = 1024 * 1024;

/** Never waits and never fails: what can't be written is counted. */
class Sink extends Writable {
  readonly #target: NodeJS.WritableStream;
  #failing = false;
  #lost = 0;

  constructor(target: NodeJS.WritableStream) {
    super({ decodeStrings: false });
    this.#target = target;
    // Each failed write is told to its callback; without a listener the event would end the process.
    target.on("error", () => {});
  }

  override _write(line: string, _encoding: string, done: () => void): void {
    if (this.#waitingBytes > waitingBytesAtMost) this.#lost++;
    else
      this.#target.write(line, (error) => {
        this.#failing = error != null;
        if (this.#failing) this.#lost++;
      });
    done();
  }

  get #waitingBytes(): number {
    return (this.#target as Partial<Writable>).writableLength ?? 0;
  }

  /** How many lines were lost, to be told once; 0 as long as that could not be told either. */
  takeLost(): number {
    if (this.#failing || this.#waitingBytes > waitingBytesAtMost / 2) return 0;
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }
}

const sinks = new WeakMap<NodeJS.WritableStream, Sink>();

/** One for each stream, however many loggers write to it. */
function sinkOf(stream: NodeJS.WritableStream): Sink {
  const sink = sinks.get(stream) ?? new Sink(stream);
  sinks.set(stream, sink);
  return sink;
}

/** Fields that a person wants beside the sentence; the others are in the JSON lines. */
const shown = ["queue", "lateMs", "fireTime"];

function pretty(info: Record<string, unknown>, color: boolean): string {
  const { level, message, timestamp } = info as { level: string; message: string; timestamp: string };
  const time = new Date(timestamp).toTimeString().slice(0, 8);
  const mark = level === "info" ? "" : `${level}: `;
  // What a job or command says carries its run: then it says whose it is.
  const who = info["run"] === undefined ? "" : `${info["entry"]}: `;
  const beside = shown
    .filter((key) => info[key] !== undefined)
    .map((key) => besideText(key, info[key]))
    .join(", ");
  const line = `${time} ${mark}${who}${message}${beside ? ` (${beside})` : ""}`;
  return color && colors[level] ? `${colors[level]}${line}${reset}` : line;
}

function besideText(key: string, value: unknown): string {
  if (key === "lateMs") return `${value} ms late`;
  if (key === "fireTime") return `for ${String(value).replace(/\.000Z$/, "Z")}`;
  return `${key} ${value}`;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
