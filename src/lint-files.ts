// Reads schedule files and says what in them is wrong, as `beat validate` does, or will surprise, as `beat lint` does.

import { brokerProblem } from "./brokers/broker-url.ts";
import type { BeatError } from "./core/errors.ts";
import type { Instant } from "./core/time.ts";
import { type Finding, type LintRule, lintDefinitions, lintRules } from "./definitions/lint.ts";
import { type LoadedFiles, loadScheduleFiles } from "./definitions/parse.ts";

export { type Finding, type LintRule, lintRules };

type Environment = Readonly<Record<string, string | undefined>>;

/** Without a store, and without connecting to a broker. `paths`: schedule files, or folders of them; `env` may hold the URLs of brokers. */
export async function checkScheduleFiles(paths: readonly string[], env: Environment): Promise<LoadedFiles> {
  const loaded = await loadScheduleFiles(paths);
  const found = await Promise.all([...loaded.brokers.values()].map((broker) => brokerProblem(broker, env)));
  return { ...loaded, problems: [...loaded.problems, ...found.filter((problem) => problem !== undefined)] };
}

export interface LintedFiles {
  /** How many entries have no problem. */
  readonly entries: number;
  readonly findings: readonly Finding[];
  readonly problems: readonly BeatError[];
}

/** As checkScheduleFiles. Never rejects for what the files hold. */
export async function lintScheduleFiles(
  paths: readonly string[],
  { now, env }: { readonly now: Instant; readonly env: Environment },
): Promise<LintedFiles> {
  const { files, problems, brokers } = await checkScheduleFiles(paths, env);
  const definitions = files.flatMap((file) => file.definitions);
  return { entries: definitions.length, findings: lintDefinitions(definitions, now, brokers.keys()), problems };
}
