// Imported before everything else by programs: on an older Node something else would fail, and would not say why.

import { UsageError } from "./core/errors.ts";

const [major] = process.versions.node.split(".");
if (Number(major) < 24)
  throw new UsageError(`beatd needs Node 24 or newer, and this is Node ${process.versions.node}`, {
    remedy: "Run the program with a newer Node.",
  });
