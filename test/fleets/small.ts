// The matrix with the oldest and the newest Celery. `npm run test:matrix` runs those between as well.

import { after, suite, test } from "node:test";
import { celeryVersions } from "../servers/celery.ts";
import type { MatrixBroker } from "./brokers.ts";
import { proveCell } from "./cell.ts";

export function smallMatrix(brokers: readonly MatrixBroker[]): void {
  for (const { name, start, unreadable } of brokers) {
    suite(`${name}: what Beat sends, real workers run as it was written`, { concurrency: true }, async () => {
      const server = await start();
      after(() => server.stop());
      for (const version of celeryVersions) {
        if (unreadable?.(version) === undefined)
          test(`Celery ${version}`, async () => proveCell(version, await server.place(version)));
      }
    });
  }
}
