// The matrix of brokers and real workers, with the oldest and the newest Celery. `npm run test:matrix` runs those between as well.

import { after, suite, test } from "node:test";
import { celeryVersions } from "../servers/celery.ts";
import { matrixBrokers } from "./brokers.ts";
import { proveCell } from "./cell.ts";

suite("what Beat sends, real workers run as it was written", { concurrency: 2 }, () => {
  for (const { name, start, unreadable } of matrixBrokers) {
    suite(name, async () => {
      const server = await start();
      after(() => server.stop());
      for (const version of celeryVersions) {
        if (unreadable?.(version) !== undefined) continue;
        test(`Celery ${version}`, async () => proveCell(version, await server.place(version)));
      }
    });
  }
});
