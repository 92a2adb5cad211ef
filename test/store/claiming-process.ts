// Run as a process of its own by processes.test.ts: claims round after round, under a lease that it is told to hold, and
// writes a line for each batch. Arguments: path, token, rounds.

import { openSqliteStore } from "../../src/store/sqlite.ts";
import { claimOf, t0 } from "../contract/store/fixtures.ts";

const [path, token, rounds] = process.argv.slice(2);
const store = await openSqliteStore(path!, { busyTimeoutMs: 20_000 });
for (let round = 0; round < Number(rounds); round++) {
  const entries = await store.listEntries({ limit: 1_000 });
  for (let start = 0; start < entries.length; start += 50) {
    const claims = entries.slice(start, start + 50).map((entry) => claimOf(entry));
    const results = await store.claim(Number(token), claims, t0);
    process.stdout.write(`${results.filter((result) => result === "claimed").length}\n`);
  }
}
await store.close();
