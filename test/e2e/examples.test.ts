import { join } from "node:path";
import { test } from "node:test";
import { root } from "./beat.ts";
import { exampleRuns } from "./example-runs.ts";

const place = { examples: join(root, "examples"), extension: ".ts", beat: join(root, "bin/beat.js") };

for (const [name, run] of Object.entries(exampleRuns))
  test(`the example ${name} does what it says`, (t) => run(t, place));
