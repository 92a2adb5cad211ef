import type { CommandResult } from "../../core/command-result.ts";
import { type Occurrence, type OccurrenceState, occurrenceStates } from "../../core/occurrence.ts";
import { formatDuration } from "../../core/time.ts";
import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { occurrenceJson, print, printJson, table, utc, valueIn } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name?: string;
  readonly state?: OccurrenceState[];
  readonly failed: boolean;
  readonly limit: number;
}

export const history: Command<Flags> = {
  command: "history [name]",
  describe:
    "The ledger, newest first: what ran, and what did not and why. Of one entry, what its runs printed or gave back, too",
  builder: flags({
    ...storeFlag,
    ...jsonFlag,
    state: { choices: occurrenceStates, array: true, describe: "Only these states" },
    failed: { type: "boolean", default: false, describe: "Only what failed" },
    limit: { type: "number", alias: "n", default: 20, describe: "At most so many rows" },
  }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const { name, limit } = options;
      const wanted = options.failed ? (["failed", "abandoned"] as const) : options.state;
      const rows = await scheduler.history({
        limit,
        ...(name !== undefined && { name }),
        ...(wanted && { states: wanted }),
      });
      if (options.json) printJson(rows.map(occurrenceJson));
      else if (rows.length === 0) print("The ledger has no such rows.");
      else print(name === undefined ? historyTable(rows) : withResults(rows));
      return 0;
    }),
};

/** Each row with what it left below it. */
function withResults(rows: readonly Occurrence[]): string {
  const [heading, ...lines] = historyTable(rows).split("\n");
  return [heading, ...lines.flatMap((line, index) => [line, ...resultLines(rows[index]!)])].join("\n");
}

function resultLines({ result }: Occurrence): string[] {
  if (result === null) return [];
  const value = valueIn(result);
  if (!isCommandResult(value)) return [`  result: ${result}`];
  const { exit_code: code, signal, stdout, stderr } = value;
  return [
    `  ${code === null ? `killed by ${signal}` : `exit code ${code}`}`,
    ...Object.entries({ stdout, stderr }).flatMap(([stream, text]) =>
      printedLines(text).map((line) => `  ${stream}: ${line}`),
    ),
  ];
}

/** What would move a terminal's cursor, or change its colours, is left out. */
function printedLines(text: string): string[] {
  const lines = text.trimEnd().split(/\r?\n/);
  return lines[0] === "" && lines.length === 1 ? [] : lines.map((line) => line.replaceAll(/[^\P{Cc}\t]/gu, ""));
}

function isCommandResult(value: unknown): value is CommandResult {
  return typeof value === "object" && value !== null && "exit_code" in value && "stdout" in value;
}

function historyTable(rows: readonly Occurrence[]): string {
  return table(
    ["FIRE TIME (UTC)", "NAME", "STATE", "LATE", "REASON"],
    rows.map(({ fireAt, untilFireAt, count, manual, dueAt, startedAt, settledAt, entryName, state, reason }) => {
      const doneAt = startedAt ?? settledAt;
      const late =
        doneAt === null || count > 1 || !["published", "ran", "failed", "abandoned"].includes(state)
          ? ""
          : formatDuration(Math.max(0, doneAt - dueAt));
      return [
        count > 1 ? `${utc(fireAt)} … ${utc(untilFireAt)}` : utc(fireAt),
        entryName,
        `${state}${count > 1 ? ` ×${count}` : ""}${manual ? " (manual)" : ""}`,
        late,
        reason ?? "",
      ];
    }),
  );
}
