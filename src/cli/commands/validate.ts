import { checkScheduleFiles } from "../../lint-files.ts";
import { type Command, flags, type JsonFlag, jsonFlag } from "../command.ts";
import { counted, print, printJson } from "../output.ts";

interface Flags extends JsonFlag {
  readonly files: string[];
}

export const validate: Command<Flags> = {
  command: "validate <files..>",
  describe: "Check schedule files, or folders of them; exit code 2 where something is wrong",
  builder: flags(jsonFlag),
  async run({ files, json }) {
    const { files: loaded, problems } = await checkScheduleFiles(files, process.env);
    const count = loaded.reduce((sum, { definitions }) => sum + definitions.length, 0);
    if (json) {
      printJson({
        entries: count,
        problems: problems.map(({ message, remedy, place }) => ({ message, remedy, ...place })),
      });
    } else {
      for (const problem of problems) print(problem.describe());
      print(
        problems.length === 0
          ? `${counted(count, "entry", "entries")}, no problem found.`
          : `${counted(problems.length, "problem")}; ${counted(count, "entry", "entries")} without one.`,
      );
    }
    return problems.length === 0 ? 0 : 2;
  },
};
