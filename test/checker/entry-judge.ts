// One entry before the judge: every nominal time, every row of the ledger and every delivery of it is accounted for.

import type { Finding, FindingKind, Verdict } from "./check.ts";
import type { Change, Delivery, EntryHistory, Evidence, LedgerRow, ManualTrigger, Publish, Retry } from "./evidence.ts";
import { judgeGivenUp } from "./given-up.ts";
import { type Outage, outageAt } from "./outages.ts";
import { isOn, type Nominal, nominalTimes, type Witness } from "./timeline.ts";
import type { WallClock } from "./wall-clock.ts";

export interface Case {
  readonly evidence: Evidence;
  readonly clock: WallClock;
  readonly outages: readonly Outage[];
  /** By id. */
  readonly publishes: ReadonlyMap<string, readonly Publish[]> | undefined;
  readonly history: EntryHistory;
  /** By time. */
  readonly deliveries: readonly Delivery[];
  /** By fire time. */
  readonly rows: readonly LedgerRow[];
  readonly triggers: readonly ManualTrigger[];
  readonly retries: readonly Retry[];
}

/** A nominal time and all that is known of it. */
export interface Account {
  readonly nominal: Nominal;
  readonly place: number;
  readonly row: LedgerRow | undefined;
  readonly deliveries: readonly Delivery[];
  readonly outage: Outage | undefined;
  /** Where it had failed and was put back: the outage that this fell into. */
  readonly retried: { readonly outage: Outage | undefined } | undefined;
  /** TRUE: the latest moment at which it has to be done. */
  readonly deadline: number;
}

const sentStates = new Set(["published", "ran"]);
const openStates = new Set(["claimed", "running"]);
const givenUpStates = new Set(["abandoned", "cancelled", "failed", "missed", "skipped"]);

export class EntryJudge {
  readonly #case: Case;
  readonly #findings: Finding[] = [];
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
  readonly #nominals: readonly Nominal[];
  readonly #places: ReadonlyMap<number, number>;

  constructor(given: Case) {
    this.#case = given;
    const { history, clock, evidence, rows, deliveries, triggers } = given;
    const manual = new Set(triggers.map(({ id }) => id));
    const witness = witnessOf(
      rows.filter((row) => !row.manual),
      deliveries.filter(({ id }) => !manual.has(id)),
    );
    this.#nominals = nominalTimes(history, clock, evidence, witness);
    this.#places = new Map(this.#nominals.map(({ fireAt }, place) => [fireAt, place]));
  }

  judge(): { findings: Finding[]; counts: Verdict["counts"]; late: Verdict["worstLateMs"] } {
    const { rows, triggers, evidence } = this.#case;
    this.#judgeManual(rows.filter((row) => row.manual));
    const manual = new Set([...triggers.map(({ id }) => id), ...rows.flatMap((row) => (row.manual ? [row.id] : []))]);
    const delivered = this.#placeDeliveries(manual);
    const covered = this.#placeRows();
    const accounts = this.#nominals.map((nominal, place): Account => {
      const found = { nominal, place, row: covered.get(place), deliveries: delivered.get(place) ?? [] };
      return { ...found, ...this.#deadlines(nominal, found.row) };
    });
    this.#judgeRetries(rows);
    for (const account of accounts) this.#judge(account, accounts);
    if (evidence.publishes !== undefined) this.#judgeFlood(accounts);
    this.#judgeOverlap(accounts);
    this.#judgeMaxRuns(accounts);
    return { findings: this.#findings, counts: this.#counts, late: this.#late };
  }

  #deadlines(nominal: Nominal, row: LedgerRow | undefined): Pick<Account, "outage" | "retried" | "deadline"> {
    const { outage, deadline } = this.#deadline(nominal);
    const retry = row && this.#retryOf(row);
    if (retry === undefined) return { outage, retried: undefined, deadline };
    const again = this.#deadline({ fireAt: row!.dueAt, arrivesAt: retry.invokedAt, dueBy: retry.acknowledgedAt });
    return { outage, retried: { outage: again.outage }, deadline: Math.max(deadline, again.deadline) };
  }

  #deadline({
    fireAt,
    arrivesAt,
    dueBy,
  }: Pick<Nominal, "fireAt" | "arrivesAt" | "dueBy">): Pick<Account, "outage" | "deadline"> {
    const { outages, clock, evidence } = this.#case;
    const { tolerance } = evidence;
    const outage = outageAt(outages, arrivesAt - (tolerance.leadMs ?? 300), dueBy + tolerance.lateMs);
    const since = Math.max(dueBy, outage?.until ?? 0);
    const deadline = since + tolerance.lateMs;
    // It came while nobody could decide on it, and then the clock was put back behind it: it comes once more.
    const step = clock.steps.find(({ at }) => at >= arrivesAt && at <= deadline && clock.at(at) < fireAt);
    if (!outage?.deciding || step === undefined) return { outage, deadline };
    const again = clock.arrival(fireAt, step.at);
    const later = this.#deadline({ fireAt, arrivesAt: again, dueBy: again + dueBy - arrivesAt });
    return { outage, deadline: Math.max(deadline, later.deadline) };
  }

  // ---------------------------------------------------------------------------------------------- one nominal time

  #judge(account: Account, accounts: readonly Account[]): void {
    const { nominal, row, deliveries, outage, deadline } = account;
    const { endAt } = this.#case.evidence;
    this.#judgeIds(nominal.fireAt, deliveries);
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
    if (row === undefined) this.#tell("lie: no row", fireAt, at, "it was sent, and the ledger does not know of it");
    else if (row.id !== id)
      this.#tell("duplicate: second id", fireAt, at, `it was sent as ${id}, and the ledger has ${row.id}`);
    else if (openStates.has(row.state)) {
      const doneAt = policy.isLocal ? (endedAt ?? endAt) : at;
      // In doubt when the clock was put back: it is sent again when the clock gets there.
      const waits = this.#doubts(id, at) > 0 && this.#case.clock.at(endAt) < row.dueAt;
      if (waits || doneAt > endAt - tolerance.lateMs) return;
      const text = `it was sent, and the ledger says to the end that it is ${row.state}`;
      this.#tell("lie: says not sent", fireAt, at, text);
    } else if (
      !sentStates.has(row.state) &&
      !(policy.isLocal && (row.state === "failed" || row.state === "abandoned"))
    ) {
      if (this.#doubts(id, at) > 0 && row.reason?.includes("may have been sent")) this.#counts.withdrawnInDoubt++;
      else
        this.#tell("lie: says not sent", fireAt, at, `the ledger says ${row.state} (${row.reason}), and it was sent`);
    }
  }

  #judgeUnsent(account: Account, accounts: readonly Account[]): void {
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
  #isUsedUp({ nominal }: Account, accounts: readonly Account[]): boolean {
    if (nominal.policy.maxRuns === Number.POSITIVE_INFINITY) return false;
    const earlier = accounts.filter(
      (one) =>
        one.nominal.era === nominal.era &&
        // What was claimed ahead of a step back comes after it.
        (one.nominal.arrivesAt <= nominal.arrivesAt || one.nominal.phase < nominal.phase) &&
        one.row !== undefined,
    );
    return earlier.filter(({ row }) => row!.id !== "").length >= nominal.policy.maxRuns;
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
    if (first.at < dueAt - tolerance.earlyMs && this.#case.clock.at(first.at) < written - tolerance.earlyMs)
      this.#tell("early", fireAt, first.at, `it came ${dueAt - first.at} ms before it was due`);
    const lateMs = first.at - dueAt;
    this.#late.atAll = Math.max(this.#late.atAll, lateMs);
    if (outage === undefined && retried === undefined)
      this.#late.undisturbed = Math.max(this.#late.undisturbed, lateMs);
    if (first.at > deadline)
      this.#tell("late", fireAt, first.at, `it came ${lateMs} ms after it was due, ${first.at - deadline} ms too late`);
  }

  #judgeIds(fireAt: number, deliveries: readonly Delivery[]): void {
    const byId = Map.groupBy(deliveries, ({ id }) => id);
    const [first, second] = [...byId.keys()];
    if (second !== undefined)
      this.#tell("duplicate: second id", fireAt, byId.get(second)![0]!.at, `it was sent as ${first} and as ${second}`);
    for (const [id, same] of byId) {
      const repeats = same.length - 1;
      const unexplained = repeats - same.filter(({ redelivered }) => redelivered).length;
      this.#counts.repeats += repeats;
      if (unexplained > 0 && unexplained > this.#doubts(id, same.at(-1)!.at) + this.#timesRetried(id))
        this.#tell("duplicate: without doubt", fireAt, same.at(-1)!.at, `${id} came ${same.length} times`);
    }
  }

  /** How often it was in doubt whether a message had arrived. */
  #doubts(id: string, at: number): number {
    const { publishes, evidence, outages } = this.#case;
    if (publishes !== undefined)
      return (publishes.get(id) ?? []).filter(({ outcome }) => outcome === "doubtful").length;
    return outageAt(outages, at - evidence.tolerance.lateMs, at) === undefined ? 0 : Number.POSITIVE_INFINITY;
  }

  /** In a time without a broker or a leader only one of several runs was to be kept: others went out that nobody had begun to send. */
  #judgeFlood(accounts: readonly Account[]): void {
    const { evidence, publishes } = this.#case;
    const { lateMs } = evidence.tolerance;
    for (const fault of evidence.faults) {
      const others = evidence.faults.filter((one) => one !== fault && (one.deciding || one.clockStepMs !== undefined));
      const within = accounts.filter(
        ({ nominal: { arrivesAt, dueBy, policy }, retried }) =>
          retried === undefined &&
          policy.coalesce !== "all" &&
          arrivesAt >= fault.from + lateMs &&
          dueBy < fault.until - lateMs,
      );
      const kept = within.filter(({ nominal, deliveries: [first] }) => {
        if (first === undefined || first.at < fault.until) return false;
        const wasTried = (publishes!.get(first.id) ?? []).some(({ at }) => at < fault.until);
        const wasHandedOver = others.some(({ from, until }) => from <= first.at && until >= nominal.arrivesAt - lateMs);
        return !wasTried && !wasHandedOver && nominal.dueBy - nominal.arrivesAt < lateMs;
      });
      const [, second] = kept;
      if (second !== undefined)
        this.#tell(
          "extra: forbidden",
          second.nominal.fireAt,
          second.deliveries[0]!.at,
          `${kept.length} runs of the time in which ${fault.what} were made; its policy keeps one`,
        );
    }
  }

  #judgeMaxRuns(accounts: readonly Account[]): void {
    for (const era of Map.groupBy(accounts, ({ nominal }) => nominal.era).values()) {
      const most = Math.max(...era.map(({ nominal }) => nominal.policy.maxRuns));
      const { nominal } = era.filter(({ deliveries }) => deliveries.length > 0)[most] ?? {};
      if (nominal !== undefined)
        this.#tell(
          "extra: forbidden",
          nominal.fireAt,
          nominal.arrivesAt,
          `it had run ${most} times, as its max_runs says`,
        );
    }
  }

  /** Local runs of an entry that must not run twice at once. A run whose machine stood still may meet one of the next leader. */
  #judgeOverlap(accounts: readonly Account[]): void {
    const runs = accounts
      .filter(({ nominal: { policy } }) => policy.isLocal && policy.overlapSkips)
      .flatMap(({ nominal, deliveries }) => deliveries.map((run) => ({ nominal, run })))
      .sort((a, b) => a.run.at - b.run.at);
    for (const [index, { nominal, run }] of runs.entries()) {
      const before = runs[index - 1]?.run;
      if (before === undefined || (before.endedAt ?? run.at) <= run.at) continue;
      const wasRemoved = this.#case.history.changes.some(
        ({ definition, invokedAt }) => definition === null && invokedAt <= run.at && invokedAt >= before.at - 1,
      );
      if (wasRemoved || outageAt(this.#case.outages, before.at, run.at)?.deciding) continue;
      this.#tell(
        "overlap",
        nominal.fireAt,
        run.at,
        `the run of ${new Date(before.fireAt!).toISOString()} was going on`,
      );
    }
  }

  // ------------------------------------------------------------------------------------- rows and deliveries, placed

  #placeDeliveries(manual: ReadonlySet<string>): Map<number, Delivery[]> {
    const placed = new Map<number, Delivery[]>();
    const { clock, evidence } = this.#case;
    for (const delivery of this.#case.deliveries) {
      if (manual.has(delivery.id)) continue;
      const place =
        delivery.fireAt === null
          ? this.#nominals.findLastIndex(({ fireAt }) => fireAt <= clock.at(delivery.at) + evidence.tolerance.earlyMs)
          : (this.#places.get(delivery.fireAt) ?? -1);
      if (place < 0) {
        if (delivery.at <= evidence.endAt)
          this.#tell("extra: unknown", delivery.fireAt ?? delivery.at, delivery.at, "the schedule has no such time");
      } else if (placed.has(place)) placed.get(place)!.push(delivery);
      else placed.set(place, [delivery]);
    }
    return placed;
  }

  /** Each row stands for one nominal time or for a counted range of them, and no time has two. */
  #placeRows(): Map<number, LedgerRow> {
    const covered = new Map<number, LedgerRow>();
    for (const row of this.#case.rows) {
      if (row.manual) continue;
      const first = this.#places.get(row.fireAt);
      if (first === undefined) {
        this.#tell(
          "lie: no such time",
          row.fireAt,
          row.fireAt,
          `a row (${row.state}) of a time that the schedule does not have`,
        );
        continue;
      }
      const { era, phase } = this.#nominals[first]!;
      let count = 0;
      let otherPhases = 0;
      for (let place = first; place < this.#nominals.length; place++) {
        const nominal = this.#nominals[place]!;
        if (nominal.fireAt > row.untilFireAt) break;
        const other = covered.get(place);
        if (nominal.era !== era) continue;
        if (nominal.phase !== phase) otherPhases++;
        if (nominal.phase !== phase || (other !== undefined && other.count === 1 && row.count > 1)) continue;
        count++;
        const cameAgain = other !== undefined && other.count > 1 && row.count === 1 && this.#wasPutBackBehind(nominal);
        if (other !== undefined && !cameAgain)
          this.#tell(
            "lie: two rows",
            nominal.fireAt,
            nominal.arrivesAt,
            `rows ${other.state} and ${row.state} are of the same time`,
          );
        covered.set(place, row);
      }
      // Where the clock was put back, a range may step over times that were decided before.
      if (count > row.count || count + otherPhases < row.count)
        this.#tell(
          "lie: wrong count",
          row.fireAt,
          this.#nominals[first]!.arrivesAt,
          `a row (${row.state}) says ${row.count}, and there are ${count}`,
        );
    }
    return covered;
  }

  #wasPutBackBehind({ fireAt, arrivesAt }: Nominal): boolean {
    const { clock } = this.#case;
    return clock.steps.some(({ at }) => at >= arrivesAt && clock.at(at) < fireAt);
  }

  // -------------------------------------------------------------------------------------------------- manual runs

  #judgeManual(rows: readonly LedgerRow[]): void {
    const { triggers, deliveries, evidence, outages } = this.#case;
    const asked = new Set(triggers.map(({ id }) => id));
    for (const row of rows)
      if (!asked.has(row.id))
        this.#tell("lie: no such time", row.fireAt, row.fireAt, "a manual run that nobody asked for");
    for (const { id, invokedAt, acknowledgedAt } of triggers) {
      const came = deliveries.filter((delivery) => delivery.id === id);
      const row = rows.find((one) => one.id === id);
      this.#judgeIds(invokedAt, came);
      if (acknowledgedAt === null) continue;
      const doneBy = (from: number, until: number) =>
        Math.max(outageAt(outages, from, until + evidence.tolerance.lateMs)?.until ?? 0, until) +
        evidence.tolerance.lateMs;
      const retry = row && this.#retryOf(row);
      const deadline = Math.max(
        doneBy(invokedAt, acknowledgedAt),
        retry === undefined ? 0 : doneBy(retry.invokedAt, retry.acknowledgedAt),
      );
      if (deadline > evidence.endAt) continue;
      if (came.length > 0 && came[0]!.at > deadline)
        this.#tell("late", invokedAt, came[0]!.at, `a manual run came ${came[0]!.at - acknowledgedAt} ms late`);
      if (came.length > 0 || (row !== undefined && givenUpStates.has(row.state))) continue;
      this.#tell(
        row === undefined ? "missing: never decided" : "missing: decided, not sent",
        invokedAt,
        invokedAt,
        `a manual run did not come; its row: ${row?.state ?? "none"}`,
      );
    }
  }

  // -------------------------------------------------------------------------------------------------- retries

  /** The last time that this row was put back into the outbox: it is due since then. */
  #retryOf({ id, dueAt }: LedgerRow): Retry | undefined {
    const { clock, retries } = this.#case;
    return retries.findLast(({ invokedAt, acknowledgedAt }) => {
      const [from, until] = [clock.at(invokedAt), clock.at(acknowledgedAt)].sort((a, b) => a - b);
      return id !== "" && dueAt >= from! - 1 && dueAt <= until!;
    });
  }

  #timesRetried(id: string): number {
    const row = this.#case.rows.find((one) => one.id === id);
    const last = row && this.#retryOf(row);
    return this.#case.retries.filter((retry) => retry === last || retry.ids.includes(id)).length;
  }

  #judgeRetries(rows: readonly LedgerRow[]): void {
    const asked = new Set(this.#case.retries.flatMap(({ ids }) => ids));
    for (const row of rows)
      if (asked.has(row.id) && this.#retryOf(row) === undefined)
        this.#tell(
          "missing: decided, not sent",
          row.fireAt,
          row.fireAt,
          "it was to be tried again, and was not put back",
        );
  }

  #tell(kind: FindingKind, fireAt: number, at: number, text: string): void {
    this.#findings.push({ kind, entry: this.#case.history.entry, fireAt, at, text });
  }
}

function witnessOf(rows: readonly LedgerRow[], deliveries: readonly Delivery[]): Witness {
  const sentAt = new Map<number, number>();
  for (const { fireAt, at } of deliveries) if (fireAt !== null && !sentAt.has(fireAt)) sentAt.set(fireAt, at);
  const observed = [...rows.map(({ fireAt }) => fireAt), ...sentAt.keys()].sort((a, b) => a - b);
  const ranges = rows.filter(({ count }) => count > 1);
  const isWithin = (row: LedgerRow) =>
    row.count === 1 && ranges.some(({ fireAt, untilFireAt }) => fireAt < row.fireAt && row.fireAt <= untilFireAt);
  return { observed, sentAt, repeated: new Set(rows.filter(isWithin).map(({ fireAt }) => fireAt)) };
}
