// What the signals of a long-running process mean.
//
//   SIGTERM, SIGINT   finish what goes on; a second one, a second or more later, ends it at once
//   SIGHUP            read the schedule files now; from a terminal that was closed: as SIGTERM

import { constants } from "node:os";
import { isatty } from "node:tty";
import type { Clock, Log } from "./core/ports.ts";

/** A Ctrl-C comes twice under npm, from the terminal and passed on: within this time it is one signal. */
const sameSignalMs = 1_000;

export interface SignalOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly stop: () => void;
  readonly reload: () => void;
}

/** Returns what takes the handlers away again. */
export function handleSignals({ clock, log, stop, reload }: SignalOptions): () => void {
  let firstAtMs: number | undefined;
  // Asked now: a terminal that was closed is none any more.
  const hasTerminal = isatty(0);
  const onEnd = (signal: NodeJS.Signals) => {
    const nowMs = clock.monotonic();
    if (firstAtMs === undefined) {
      firstAtMs = nowMs;
      log.info(`${signal}: finishing what goes on; again to end at once.`);
      stop();
    } else if (nowMs - firstAtMs > sameSignalMs) {
      release();
      endBy(signal);
    }
  };
  const onHangUp = () => {
    if (hasTerminal) onEnd("SIGHUP");
    else reload();
  };
  const handlers = [
    ["SIGINT", onEnd],
    ["SIGTERM", onEnd],
    ["SIGHUP", onHangUp],
  ] as const;
  const release = () => {
    for (const [signal, handler] of handlers) process.removeListener(signal, handler);
  };
  for (const [signal, handler] of handlers) process.on(signal, handler);
  // After a signal its echo may still come; a later one finds a handler that gives way.
  return () => {
    if (firstAtMs === undefined) release();
  };
}

/** As the signal does where nobody handles it, once what has to end with this process did. Process 1 is not ended by its own signals. */
function endBy(signal: NodeJS.Signals): void {
  if (process.pid !== 1) process.once("exit", () => process.kill(process.pid, signal));
  process.exit(128 + constants.signals[signal]);
}
