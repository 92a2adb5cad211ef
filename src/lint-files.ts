// Reads schedule files and says what in them will surprise: what `beat lint` does.

import type { BeatError } from "./core/errors.ts";
import type { Instant } from "./core/time.ts";
import { type Finding, type LintRule, lintDefinitions, lintRules } from "./definitions/lint.ts";
import { loadScheduleFiles } from "./definitions/parse.ts";

export { type Finding, type LintRule, lintRules };

export interface LintedFiles {
  /** How many entries have no problem. */
  readonly entries: number;
  readonly findings: readonly Finding[];
  readonly problems: readonly BeatError[];
}

/** `paths`: schedule files, or folders of them. Never rejects for what they hold. */
export async function lintScheduleFiles(paths: readonly string[], now: Instant): Promise<LintedFiles> {
  const { files, problems, brokers } = await loadScheduleFiles(paths);
  const definitions = files.flatMap((file) => file.definitions);
  return { entries: definitions.length, findings: lintDefinitions(definitions, now, brokers.keys()), problems };
}
