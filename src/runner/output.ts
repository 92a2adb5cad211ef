// What a command prints: each line goes to the log as it comes, the end of each stream, and of both, is kept for the ledger. A command can
// print without end, so the length of a line, the number of lines that are logged and what is kept are all bounded.

import type { Readable } from "node:stream";
import { maskUrl } from "../core/mask.ts";
import type { Log } from "../core/ports.ts";

const maxLineLength = 2_000;
const maxLoggedLines = 1_000;
const maxKeptLength = 8_192;
/** Of one stream. Written as JSON, with every character escaped, both have room in the ledger. */
const maxStreamLength = 4_096;

export class Output {
  readonly #log: Log;
  readonly #kept = { both: "", stdout: "", stderr: "" };
  #lines = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** The last 8 KiB (in characters) of what both streams said, in the order in which it came. */
  get end(): string {
    return this.#kept.both;
  }

  /** The last 4 KiB (in characters) of one stream. */
  endOf(stream: "stdout" | "stderr"): string {
    return maskUrl(this.#kept[stream]);
  }

  read(stream: Readable, name: "stdout" | "stderr"): void {
    let open = "";
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      this.#kept.both = (this.#kept.both + text).slice(-maxKeptLength);
      this.#kept[name] = (this.#kept[name] + text).slice(-maxStreamLength);
      if (this.#lines >= maxLoggedLines) return;
      const lines = (open + text).split("\n");
      open = lines.pop()!;
      for (const line of lines) this.#line(line, name);
      for (; open.length > maxLineLength; open = open.slice(maxLineLength))
        this.#line(open.slice(0, maxLineLength), name);
    });
    stream.on("end", () => {
      if (open !== "") this.#line(open, name);
    });
    // A pipe that breaks ends the output; how the command ended is told by its exit.
    stream.on("error", () => {});
  }

  #line(line: string, stream: "stdout" | "stderr"): void {
    this.#lines += 1;
    if (this.#lines > maxLoggedLines) return;
    const text = line.replace(/\r$/, "");
    this.#log.info(text.length > maxLineLength ? `${text.slice(0, maxLineLength)}…` : text, { stream });
    if (this.#lines === maxLoggedLines) {
      this.#log.warn(`printed ${maxLoggedLines} lines; what else it prints is not logged`, { stream });
    }
  }
}
