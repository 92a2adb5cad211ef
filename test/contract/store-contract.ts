// What core/ports.ts asks of a Store, as tests. Every store goes through all of them.

import { afterEach, beforeEach, describe } from "node:test";
import type { Store } from "../../src/core/ports.ts";
import { claimsContract } from "./store/claims.ts";
import { entriesContract } from "./store/entries.ts";
import { failuresContract } from "./store/failures.ts";
import { Subject } from "./store/fixtures.ts";
import { leaseContract } from "./store/lease.ts";
import { ledgerContract } from "./store/ledger.ts";

/** `open` makes a new, empty store each time. */
export function storeContract(name: string, open: () => Promise<Store>): void {
  describe(`${name}: what every store owes`, () => {
    const subject = new Subject(open);
    beforeEach(() => subject.begin());
    afterEach(() => subject.end());
    entriesContract(subject);
    claimsContract(subject);
    ledgerContract(subject);
    leaseContract(subject);
    failuresContract(subject);
  });
}
