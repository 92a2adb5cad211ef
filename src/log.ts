// The one logger: winston, readable on a terminal, JSON lines elsewhere. Every text passes the mask before it leaves.

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
  const logger = createLogger({
    level: options.level ?? "info",
    format: format.combine(format.timestamp(), json ? format.json() : format.printf((info) => pretty(info, color))),
    transports: [new transports.Stream({ stream })],
  });
  const write = (level: keyof Log) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    logger.log({ ...(maskAll(fields ?? {}) as object), level, message: maskUrl(message) });
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
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
