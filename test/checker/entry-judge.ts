// One entry before the judge: every nominal time, every row of the ledger and every delivery of it is accounted for.

import { type Account, type Accounts, accountsOf, type Case, type Tell } from "./accounts.ts";
import type { Finding, Verdict } from "./check.ts";
import { isOn } from "./eras.ts";
import type { Change, Delivery } from "./evidence.ts";
import { judgeGivenUp } from "./given-up.ts";
import { judgeManualRuns } from "./manual-runs.ts";
import { doubts, judgeRepeats } from "./repeats.ts";
import { judgeRetries } from "./retries.ts";
import { judgeFlood, judgeMaxRuns, judgeOverlap } from "./runs-together.ts";

const sentStates = new Set(["published", "ran"]);
const openStates = new Set(["claimed", "running"]);

export class EntryJudge {
  readonly #case: Case;
  readonly #findings: Finding[] = [];
  readonly #tell: Tell;
  readonly #counts = {
    certain: 0,
    byPolicy: 0,
    uncertain: 0,
    forbidden: 0,
    delivered: 0,
    repeats: 0,
    withdrawnInDoubt: 0,
  };
  readonly #late = { undisturbed: 0, atAll: 0 };

  constructor(given: Case) {
    this.#case = given;
    const { entry } = given.history;
    this.#tell = (kind, fireAt, at, text) => this.#findings.push({ kind, entry, fireAt, at, text });
  }

  judge(): { findings: Finding[]; counts: Verdict["counts"]; late: Verdict["worstLateMs"] } {
    const given = this.#case;
    const tell = this.#tell;
    this.#counts.repeats += judgeManualRuns(given, tell);
    const accounts = accountsOf(given, tell);
    judgeRetries(given, tell);
    for (const account of accounts.all) this.#judge(account, accounts);
    judgeFlood(accounts.all, given, tell);
    judgeOverlap(accounts.all, given, tell);
    judgeMaxRuns(accounts.all, tell);
    return { findings: this.#findings, counts: this.#counts, late: this.#late };
  }

  #judge(account: Account, accounts: Accounts): void {
    const { nominal, row, deliveries, outage, deadline } = account;
    const { endAt } = this.#case.evidence;
    this.#counts.repeats += judgeRepeats(nominal.fireAt, deliveries, this.#case, this.#tell);
    this.#judgeTimes(account);
    // It may still have come after the end, unless it had come already.
    const isOpen = deadline > endAt && deliveries.length === 0;
    const life = isOpen && nominal.life === "must" ? "may" : nominal.life;
    if (life === "never") this.#counts.forbidden++;
    else if (life === "may") this.#counts.uncertain++;
    else if (outage === undefined) this.#counts.certain++;
    else this.#counts.byPolicy++;

    const first = deliveries[0];
    if (first !== undefined) {
      this.#counts.delivered++;
      if (life === "never" && !this.#wentUnheard(account, first))
        this.#tell("extra: forbidden", nominal.fireAt, first.at, "it was off when this was due");
      this.#judgeSent(account, first);
    } else if (life === "must") {
      this.#judgeUnsent(account, accounts);
    } else if (row !== undefined && sentStates.has(row.state)) {
      this.#tell("lie: says sent", nominal.fireAt, nominal.dueBy, `the ledger says ${row.state}, and nothing arrived`);
    }
  }

  #judgeSent({ nominal: { fireAt, policy }, row, retried, deadline }: Account, { at, id, endedAt }: Delivery): void {
    const { ledger, endAt, tolerance } = this.#case.evidence;
    if (ledger === undefined || (retried !== undefined && deadline > endAt)) return;
    // What is a task by now may have been a job then.
    const wasRun = policy.isLocal || endedAt !== undefined;
    if (row === undefined) this.#tell("lie: no row", fireAt, at, "it was sent, and the ledger does not know of it");
    else if (row.id !== id)
      this.#tell("duplicate: second id", fireAt, at, `it was sent as ${id}, and the ledger has ${row.id}`);
    else if (openStates.has(row.state)) {
      const doneAt = wasRun ? (endedAt ?? endAt) : at;
      // In doubt when the clock was put back: it is sent again when the clock gets there.
      const waits = doubts(id, at, this.#case) > 0 && this.#case.clock.at(endAt) < row.dueAt;
      if (waits || doneAt > endAt - tolerance.lateMs) return;
      const text = `it was sent, and the ledger says to the end that it is ${row.state}`;
      this.#tell("lie: says not sent", fireAt, at, text);
    } else if (!sentStates.has(row.state) && !(wasRun && (row.state === "failed" || row.state === "abandoned"))) {
      if ((wasRun || doubts(id, at, this.#case) > 0) && row.reason?.includes("may have been sent"))
        this.#counts.withdrawnInDoubt++;
      else
        this.#tell("lie: says not sent", fireAt, at, `the ledger says ${row.state} (${row.reason}), and it was sent`);
    }
  }

  #judgeUnsent(account: Account, accounts: Accounts): void {
    const { nominal, row } = account;
    const { fireAt, dueBy } = nominal;
    if (row === undefined) {
      if (this.#isUsedUp(account, accounts) || this.#wasSwitchedOff(account)) return;
      this.#tell("missing: never decided", fireAt, dueBy, "it is neither in the ledger nor sent");
    } else if (sentStates.has(row.state)) {
      this.#tell("missing: sent, not delivered", fireAt, dueBy, `the ledger says ${row.state}, and nothing arrived`);
    } else if (openStates.has(row.state)) {
      this.#tell(
        "missing: decided, not sent",
        fireAt,
        dueBy,
        `it is still ${row.state} (${row.reason ?? "no reason"})`,
      );
    } else {
      const wrong = judgeGivenUp(account, row, accounts, this.#case);
      if (wrong !== undefined)
        this.#tell("missing: given up without cause", fireAt, dueBy, `${row.state} (${row.reason}): ${wrong}`);
    }
  }

  /** It was claimed a moment before the entry was changed, and nobody could hear of that. */
  #wentUnheard({ nominal: { arrivesAt }, outage }: Account, { at }: Delivery): boolean {
    const { history, evidence } = this.#case;
    const since = arrivesAt - (evidence.tolerance.leadMs ?? 300);
    const wasChanged = history.changes.some(
      ({ invokedAt }, index) => index > 0 && invokedAt >= since && invokedAt <= at,
    );
    return wasChanged && outage?.deciding === true;
  }

  /** All runs of its `max_runs` were made before it. */
  #isUsedUp({ nominal }: Account, { claimed }: Accounts): boolean {
    const earlier = claimed.filter(
      (one) =>
        one.nominal.era === nominal.era &&
        // What was claimed ahead of a step back comes after it.
        (one.nominal.arrivesAt <= nominal.arrivesAt || one.nominal.phase < nominal.phase),
    );
    return earlier.length >= nominal.policy.maxRuns;
  }

  /** Off before it could be decided, and neither on again nor removed: it is recorded when it is. */
  #wasSwitchedOff({ nominal, deadline }: Account): boolean {
    const since = this.#case.history.changes.filter(({ invokedAt }) => invokedAt > nominal.arrivesAt - 1);
    const off = since.findIndex((change) => !isOn(change));
    if (off < 0 || since[off]!.invokedAt > deadline) return false;
    // Where it was on again for a moment only, nobody need have noticed.
    const wasOnAgain = (change: Change, place: number) =>
      isOn(change) &&
      (since[off + place + 1]?.invokedAt ?? Number.POSITIVE_INFINITY) - change.invokedAt >
        this.#case.evidence.tolerance.recoveryMs;
    return !since.slice(off).some((change, place) => wasOnAgain(change, place) || change.definition === null);
  }

  #judgeTimes({ nominal, row, deliveries: [first], outage, retried, deadline }: Account): void {
    if (first === undefined) return;
    const { tolerance } = this.#case.evidence;
    const { fireAt, arrivesAt, dueBy } = nominal;
    // The row of what was put back says when that was.
    const written = row !== undefined && row.fireAt === fireAt && retried === undefined ? row.dueAt : fireAt;
    const dueAt = Math.max(arrivesAt, this.#case.clock.arrival(written, arrivesAt));
    if (dueAt > dueBy) this.#tell("late", fireAt, first.at, "its due time lies beyond its jitter");
    const isEarly = (at: number) =>
      at < dueAt - tolerance.earlyMs && this.#case.clock.at(at) < written - tolerance.earlyMs;
    // What was handed over in time may be held by a broker until the clock was put back.
    const sentAt = this.#case.publishes?.get(first.id)?.find(({ at }) => at <= first.at)?.at ?? first.at;
    if (isEarly(first.at) && isEarly(sentAt))
      this.#tell("early", fireAt, first.at, `it came ${dueAt - first.at} ms before it was due`);
    const lateMs = first.at - dueAt;
    this.#late.atAll = Math.max(this.#late.atAll, lateMs);
    if (outage === undefined && retried === undefined)
      this.#late.undisturbed = Math.max(this.#late.undisturbed, lateMs);
    if (first.at > deadline)
      this.#tell("late", fireAt, first.at, `it came ${lateMs} ms after it was due, ${first.at - deadline} ms too late`);
  }
}
