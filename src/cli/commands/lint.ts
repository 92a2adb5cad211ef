import { type Finding, type LintRule, lintRules, lintScheduleFiles } from "../../lint-files.ts";
import { systemClock } from "../../system-clock.ts";
import { type Command, flags, type JsonFlag, jsonFlag } from "../command.ts";
import { counted, print, printJson } from "../output.ts";

interface Flags extends JsonFlag {
  readonly files: string[];
  readonly ignore: LintRule[];
}

export const lint: Command<Flags> = {
  command: "lint <files..>",
  describe: "Say what will surprise in schedule files; exit code 1 for findings, 2 where something is wrong",
  builder: flags({
    ...jsonFlag,
    ignore: { type: "string", array: true, choices: lintRules, default: [], describe: "Rules to leave out" },
  }),
  async run({ files, json, ignore }) {
    const linted = await lintScheduleFiles(files, { now: systemClock.now(), env: process.env });
    const findings = linted.findings.filter(({ rule }) => !ignore.includes(rule));
    const { entries, problems } = linted;
    if (json) {
      printJson({
        entries,
        findings: findings.map(({ rule, message, remedy, place }) => ({ rule, message, remedy, ...place })),
        problems: problems.map(({ message, remedy, place }) => ({ message, remedy, ...place })),
      });
    } else {
      for (const problem of problems) print(problem.describe());
      for (const finding of findings) print(textOf(finding));
      print(summary(entries, findings.length, problems.length));
    }
    return problems.length > 0 ? 2 : findings.length > 0 ? 1 : 0;
  },
};

function textOf({ rule, entry, place: { file, line, column }, message, remedy }: Finding): string {
  return `${[file, line, column].join(":")}: entry "${entry}": ${message}. ${remedy} [${rule}]`;
}

function summary(entries: number, findings: number, problems: number): string {
  const found = findings === 0 ? "nothing that surprises" : counted(findings, "finding");
  return `${counted(entries, "entry", "entries")}, ${found}${problems === 0 ? "" : `, ${counted(problems, "problem")}`}.`;
}
