// Bugs, planted one at a time through the seams of an engine: if the simulation does not catch one, it proves less than it says.

import type { Broker, Claim, Settlement, Store } from "../../src/core/ports.ts";
import type { EngineOptions } from "../../src/dispatch/engine.ts";

type Plant = (options: EngineOptions) => EngineOptions;

/** An engine whose store is another one in these methods. */
function withStore(change: (store: Store) => Partial<Store>): Plant {
  return (options) => {
    const { store } = options;
    const changed = change(store);
    const layered = new Proxy(store, {
      get: (target, key) => Reflect.get(changed, key) ?? Reflect.get(target, key),
    });
    return { ...options, store: layered };
  };
}

function withClaims(change: (claim: Claim, now: number) => Claim): Plant {
  return withStore((store) => ({
    claim: (token, claims, now) =>
      store.claim(
        token,
        claims.map((claim) => change(claim, now)),
        now,
      ),
  }));
}

function withSettlements(change: (settlement: Settlement) => Settlement[]): Plant {
  return withStore((store) => ({ settle: (settlements) => store.settle(settlements.flatMap(change)) }));
}

function withPublish(change: (publish: Broker["publish"], options: EngineOptions) => Broker["publish"]): Plant {
  return (options) => {
    const [named] = options.brokers;
    const { broker } = named!;
    const publish = change((messages, settle) => broker.publish(messages, settle), options);
    const layered: Broker = {
      url: broker.url,
      window: broker.window,
      open: (listener) => broker.open(listener),
      publish,
      close: (drainMs) => broker.close(drainMs),
    };
    return { ...options, brokers: [{ ...named!, broker: layered }] };
  };
}

/** Settles at once what is handed over; `isDue` says which. */
const confirmsUnasked: Plant = withPublish((publish, { clock }) => (messages, settle) => {
  publish(messages, () => {});
  clock.setTimer(0, () => {
    for (const message of messages) settle(message, { result: "confirmed" });
  });
});

let serial = 0;
const otherId = (id: string) => `${id.slice(0, -6)}${(serial++ % 1_000_000).toString().padStart(6, "0")}`;

export const mutations: Readonly<Record<string, Plant>> = {
  "a confirmation is dropped": withPublish((publish) => {
    let count = 0;
    return (messages, settle) =>
      publish(messages, (message, outcome) => {
        if (outcome.result !== "confirmed" || ++count % 10 !== 0) settle(message, outcome);
      });
  }),
  "what is unavailable counts as confirmed": withPublish(
    (publish) => (messages, settle) =>
      publish(messages, (message, outcome) =>
        settle(message, outcome.result === "unavailable" ? { result: "confirmed" } : outcome),
      ),
  ),
  "settled before the broker confirms": confirmsUnasked,
  "a message is sent twice": withPublish((publish) => {
    let count = 0;
    return (messages, settle) => {
      publish(messages, settle);
      if (++count % 10 === 0) publish(messages.slice(0, 1), () => {});
    };
  }),
  "a message that is sent again has a new id": withPublish((publish) => {
    const tried = new Set<string>();
    return (messages, settle) =>
      publish(
        messages.map((message) => {
          if (!tried.has(message.id)) {
            tried.add(message.id);
            return message;
          }
          return { ...message, id: otherId(message.id) };
        }),
        (message, outcome) => settle(messages.find(({ headers }) => headers === message.headers)!, outcome),
      );
  }),
  "an entry advances without its occurrence": withClaims((claim) =>
    claim.due.length > 0 && claim.due[0]!.fireAt % 7 === 0 ? { ...claim, due: [] } : claim,
  ),
  "sent as soon as it is claimed": (options) => {
    const { clock } = options;
    const ahead = { now: () => clock.now() + 250, monotonic: () => clock.monotonic() };
    return { ...options, clock: { ...ahead, setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback) } };
  },
  "what did not run is not recorded": withClaims((claim) => ({ ...claim, passed: [] })),
  "a range of coalesced times counts one too few": withClaims((claim) => ({
    ...claim,
    passed: claim.passed.map((range) => (range.count > 1 ? { ...range, count: range.count - 1 } : range)),
  })),
  "the last of a range runs as well": withClaims((claim) => {
    const [first] = claim.due;
    const range = claim.passed.find(({ count, state }) => count > 1 && state === "coalesced");
    if (first === undefined || range === undefined) return claim;
    const again = { ...first, fireAt: range.untilFireAt, dueAt: range.untilFireAt };
    return { ...claim, due: [again, ...claim.due] };
  }),
  "nothing gives way to what is newer": withClaims((claim) => ({ ...claim, superseded: [] })),
  "a misfire is called so though it is in time": withClaims((claim) => {
    const [first] = claim.due;
    if (first === undefined || first.fireAt % 5 !== 0) return claim;
    const { fireAt } = first;
    const missed = { fromFireAt: fireAt, untilFireAt: fireAt, count: 1, state: "missed", reason: "late" } as const;
    return { ...claim, due: claim.due.slice(1), passed: [...claim.passed, missed] };
  }),
  "the outbox is forgotten at the start": withStore((store) => {
    let isFirst = true;
    return {
      outbox: async (query) => {
        const page = await store.outbox(query);
        const wasFirst = isFirst;
        isFirst = false;
        return wasFirst ? [] : page;
      },
    };
  }),
  "any token will do": withStore((store) => ({
    claim: async (token, claims, now) => {
      const current = (await store.currentLease())?.token ?? token;
      return store.claim(current, claims, now);
    },
    renewLease: async (lease, ttlMs, now, report) => {
      const current = (await store.currentLease()) ?? lease;
      await store.renewLease(current, ttlMs, now, report);
      return { ...lease, renewedAt: now, expiresAt: now + ttlMs };
    },
  })),
  "a lease never ends": withStore((store) => ({
    acquireLease: async (owner, ttlMs, now) => (await store.currentLease()) ?? store.acquireLease(owner, ttlMs, now),
  })),
  "everybody leads": withStore((store) => ({
    currentLease: async () => undefined,
    acquireLease: async (owner, ttlMs, now) => {
      const held = await store.acquireLease(owner, ttlMs, now);
      return { ...held, ...owner, renewedAt: now, expiresAt: now + ttlMs };
    },
    renewLease: async (lease, ttlMs, now) => ({ ...lease, renewedAt: now, expiresAt: now + ttlMs }),
    claim: async (token, claims, now) => store.claim((await store.currentLease())?.token ?? token, claims, now),
  })),
  "what is in doubt gives way to what is newer": withStore((store) => ({
    outbox: async (query) =>
      (await store.outbox(query)).map((row) => ({ ...row, attempts: 0, reason: row.reason ?? "not sent" })),
  })),
  "a claim that was written is taken for a double": withStore((store) => ({
    claim: async (token, claims, now) => {
      const results = await store.claim(token, claims, now);
      return results.map((result, index) => ((claims[index]!.due[0]?.fireAt ?? 1) % 5 === 0 ? "duplicate" : result));
    },
  })),
  "a change of an entry goes unheard": withStore(() => ({ changedSince: async () => [] })),
  "the ledger is not told": withSettlements((settlement) =>
    settlement.state === "published" && settlement.fireAt % 3 === 0 ? [] : [settlement],
  ),
  "the ledger is told that it was not sent": withSettlements((settlement) =>
    settlement.state === "published" && settlement.fireAt % 3 === 0
      ? [{ ...settlement, state: "missed", reason: "late" }]
      : [settlement],
  ),
  "an interval drifts by a millisecond": withClaims((claim) => ({
    ...claim,
    becomes: {
      ...claim.becomes,
      nextFireAt: claim.becomes.nextFireAt === null ? null : claim.becomes.nextFireAt + 1,
    },
  })),
  "max_runs is not kept to": withStore((store) => ({
    entriesById: async (ids) =>
      (await store.entriesById(ids)).map((entry) => {
        const { max_runs: _, ...definition } = entry.definition;
        return { ...entry, definition };
      }),
  })),
  "what is tried again by hand never goes out": withStore((store) => ({
    outbox: async (query) =>
      (await store.outbox(query)).filter(
        ({ attempts, dueAt, claimedAt }) => attempts === 0 || dueAt <= claimedAt + 5_000,
      ),
  })),
  "a run begins twice": (options) => ({
    ...options,
    runner: new Proxy(options.runner, {
      get(target, key) {
        if (key === "admit") return () => undefined;
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
  }),
};
