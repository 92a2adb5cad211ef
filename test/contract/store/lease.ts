// The lease.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LeaseLostError } from "../../../src/core/errors.ts";
import { ownerOf, type Subject, t0 } from "./fixtures.ts";

export function leaseContract(subject: Subject): void {
  test("gives a free lease, and tells others who has it", async () => {
    assert.equal(await subject.store.currentLease(), undefined);
    const owner = { ownerId: "one", host: "boot/pidns", pid: 42 };
    const lease = await subject.store.acquireLease(owner, 10_000, t0);
    const { token } = lease;
    assert.ok(Number.isSafeInteger(token) && token > 0);
    assert.deepEqual(lease, {
      ...owner,
      token,
      acquiredAt: t0,
      renewedAt: t0,
      expiresAt: t0 + 10_000,
      report: null,
    });
    assert.deepEqual(await subject.store.currentLease(), lease);
    assert.deepEqual(await subject.store.acquireLease(ownerOf("two"), 10_000, t0 + 9_999), lease);
    assert.deepEqual(await subject.store.currentLease(), lease);
  });

  test("goes to another when it ran out, under a greater token; the old one can do nothing any more", async () => {
    const old = await subject.lead();
    const next = await subject.store.acquireLease(ownerOf("two"), 10_000, t0 + 10_000);
    assert.deepEqual([next.ownerId, next.token], ["two", old.token + 1]);
    await assert.rejects(subject.store.renewLease(old, 10_000, t0 + 10_001, null), LeaseLostError);
    await subject.store.releaseLease(old);
    assert.deepEqual(await subject.store.currentLease(), next);
  });

  test("its holder may take it again: the same term, longer", async () => {
    const lease = await subject.lead();
    const longer = await subject.store.acquireLease({ ...ownerOf("leader"), pid: 7 }, 10_000, t0 + 60_000);
    const times = { renewedAt: t0 + 60_000, expiresAt: t0 + 70_000 };
    assert.deepEqual(longer, { ...lease, pid: 7, ...times });
  });

  test("renews, with a report for those who look", async () => {
    const lease = await subject.lead();
    const report = { broker: "up", warnings: ["a"], outbox: 0 };
    const renewed = await subject.store.renewLease(lease, 20_000, t0 + 5_000, report);
    assert.deepEqual(renewed, { ...lease, renewedAt: t0 + 5_000, expiresAt: t0 + 25_000, report });
    assert.deepEqual(await subject.store.currentLease(), renewed);
    assert.equal((await subject.store.renewLease(renewed, 20_000, t0 + 5_000, undefined)).report, null);
    // Late, but nobody took it.
    assert.equal((await subject.store.renewLease(renewed, 1, t0 + 99_000, null)).expiresAt, t0 + 99_001);
  });

  test("is free at once when given back, and the next term has a greater token, even of the same owner", async () => {
    const first = await subject.lead();
    await subject.store.releaseLease(first);
    assert.equal(await subject.store.currentLease(), undefined);
    await subject.store.releaseLease(first);
    await assert.rejects(subject.store.renewLease(first, 10_000, t0, null), LeaseLostError);
    const second = await subject.lead();
    const { token } = second;
    assert.equal(token, first.token + 1);
    await subject.store.releaseLease(second);
    assert.equal((await subject.store.acquireLease(ownerOf("two"), 10_000, t0)).token, token + 1);
  });

  test("goes to one who can prove that its holder is dead, and only then", async () => {
    const dead = await subject.lead();
    const unproved = await subject.store.acquireLease(ownerOf("two"), 10_000, t0 + 1, dead.token + 1);
    assert.equal(unproved.ownerId, "leader");
    const taken = await subject.store.acquireLease(ownerOf("two"), 10_000, t0 + 1, dead.token);
    assert.deepEqual([taken.ownerId, taken.token, taken.acquiredAt], ["two", dead.token + 1, t0 + 1]);
    // The proof was of that holder: it does not take the lease from the next one.
    assert.equal((await subject.store.acquireLease(ownerOf("three"), 10_000, t0 + 2, dead.token)).ownerId, "two");
  });
}
