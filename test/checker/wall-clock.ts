// What the machine's clock showed at each true time, and when it first showed a wall time.

import type { Fault } from "./evidence.ts";

export class WallClock {
  /** Steps, oldest first, each with the sum of all up to it. */
  readonly steps: readonly { readonly at: number; readonly byMs: number; readonly offsetMs: number }[];

  constructor(faults: readonly Fault[]) {
    let offsetMs = 0;
    this.steps = faults
      .flatMap(({ from, clockStepMs }) => (clockStepMs === undefined ? [] : [{ at: from, byMs: clockStepMs }]))
      .sort((a, b) => a.at - b.at)
      .map((step) => {
        offsetMs += step.byMs;
        return { ...step, offsetMs };
      });
  }

  /** At the moment of a step: after it. */
  at(time: number): number {
    let offsetMs = 0;
    for (const step of this.steps) if (step.at <= time) offsetMs = step.offsetMs;
    return time + offsetMs;
  }

  /** The latest wall time that it showed in [from, until]. */
  highest(from: number, until: number): number {
    const within = this.steps.filter(({ at }) => at > from && at <= until);
    return Math.max(this.at(until), ...within.map(({ at, offsetMs, byMs }) => at + offsetMs - Math.min(0, byMs)));
  }

  /** The first true time, not before `since`, at which the clock showed `wall` or more. */
  arrival(wall: number, since: number): number {
    let time = since;
    for (const step of this.steps) {
      if (step.at <= since) continue;
      if (this.at(time) >= wall) return time;
      const reached = time + (wall - this.at(time));
      if (reached < step.at) return reached;
      time = step.at;
    }
    return time + Math.max(0, wall - this.at(time));
  }
}
