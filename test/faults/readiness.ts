// Asks a daemon at /readyz, as whoever watches over it would: what it says, and when that turned.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Daemon } from "../e2e/beat.ts";

export interface Answer {
  /** When it came. */
  readonly at: number;
  readonly ready: boolean;
  readonly text: string;
}

const everyMs = 100;
/** What takes longer is no answer, and whoever does not answer is not ready. */
const answerWithinMs = 1_000;

export async function askReady(daemon: Daemon): Promise<Answer> {
  const listening = daemon.lines.find(({ message }) => message.startsWith("Metrics on "));
  if (listening === undefined) return { at: Date.now(), ready: false, text: "it does not listen yet" };
  try {
    const url = listening.message.slice("Metrics on ".length).replace("/metrics", "/readyz");
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerWithinMs) });
    return { at: Date.now(), ready: answer.status === 200, text: await answer.text() };
  } catch (error) {
    return { at: Date.now(), ready: false, text: String(error) };
  }
}

/** Resolves once it is ready; rejects, with what it says, when patience ends. */
export async function untilReady(daemon: Daemon, patienceMs: number): Promise<void> {
  const endsAt = performance.now() + patienceMs;
  for (;;) {
    const { ready, text } = await askReady(daemon);
    if (ready) return;
    assert.ok(performance.now() < endsAt, `it is not ready: ${text}`);
    await sleep(everyMs);
  }
}

/** Asks again and again until it is told to end. */
export class Probe {
  readonly answers: Answer[] = [];
  readonly #asking: Promise<void>;
  #isOver = false;

  /** The daemon may still be to come. */
  constructor(daemon: () => Daemon | undefined) {
    this.#asking = this.#ask(daemon);
  }

  async end(): Promise<readonly Answer[]> {
    this.#isOver = true;
    await this.#asking;
    return this.answers;
  }

  async #ask(daemon: () => Daemon | undefined): Promise<void> {
    for (; !this.#isOver; await sleep(everyMs)) {
      const asked = daemon();
      if (asked !== undefined) this.answers.push(await askReady(asked));
    }
  }
}

/**
 * How long after `harmedAt` it said that it was not ready. Asserts that it did so in time, and did not take it back before it
 * was healed. Undefined: that was too soon for it to have to.
 */
export function unreadyAfterMs(
  answers: readonly Answer[],
  { harmedAt, healedAt, withinMs }: { readonly harmedAt: number; readonly healedAt: number; readonly withinMs: number },
): number | undefined {
  const meanwhile = answers.filter(({ at }) => at >= harmedAt && at <= healedAt);
  const first = meanwhile.findIndex(({ ready }) => !ready);
  if (first < 0 && healedAt - harmedAt < withinMs) return undefined;
  assert.ok(first >= 0, `it went on to say that it is ready for ${healedAt - harmedAt} ms`);
  const afterMs = meanwhile[first]!.at - harmedAt;
  assert.ok(afterMs <= withinMs, `it said that it is not ready only after ${afterMs} ms`);
  const again = meanwhile.slice(first).find(({ ready }) => ready);
  assert.ok(again === undefined, `it said that it is ready ${again && healedAt - again.at} ms before that was so`);
  return afterMs;
}
