import { type Examination, examineDatabase, megabytes } from "../../database-care.ts";
import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag } from "../command.ts";
import { print, printJson } from "../output.ts";

export const doctor: Command<StoreFlags & JsonFlag> = {
  command: "doctor",
  describe: "Look through the whole database for trouble, and change nothing",
  builder: flags({ ...storeFlag, ...jsonFlag }),
  async run({ scheduleDb, json }) {
    const found = examineDatabase(scheduleDb);
    if (json) printJson(asJson(found));
    else for (const line of lines(found)) print(line);
    return exitCode(found);
  },
};

function exitCode({ findings }: Examination): number {
  if (findings.some(({ severity }) => severity === "error")) return 3;
  return findings.some(({ severity }) => severity === "warning") ? 1 : 0;
}

function asJson({ location, bytes, logBytes, freeBytes, content, findings }: Examination): unknown {
  return { database: location, bytes, log_bytes: logBytes, free_bytes: freeBytes, ...content, findings };
}

function* lines({ location, bytes, logBytes, freeBytes, content, findings }: Examination): Generator<string> {
  yield `database   ${location}${content === null ? "" : `, schema ${content.schema}`}`;
  yield `size       ${megabytes(bytes)}, log ${megabytes(logBytes)}${freeBytes === null ? "" : `; ${megabytes(freeBytes)} free`}`;
  if (content !== null) yield `holds      ${content.entries} entries, ${content.occurrences} rows of the ledger`;
  for (const { severity, check, message, remedy } of findings) {
    yield "";
    yield `${severity.padEnd(11)}${check}: ${message}`;
    yield `${"".padEnd(11)}${remedy}`;
  }
  const serious = findings.filter(({ severity }) => severity !== "note").length;
  yield "";
  yield serious === 0 ? "No trouble found." : `${serious} found.`;
}
