// A folder of its own for a test file, gone with it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/** Returns a function that gives a path in the folder: the named one, or a new one each time. */
export function temporaryFolder(): (name?: string) => string {
  const folder = mkdtempSync(join(tmpdir(), "beat-store-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let count = 0;
  return (name = `${++count}.sqlite`) => join(folder, name);
}
