import { backUpDatabase, megabytes } from "../../database-care.ts";
import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag } from "../command.ts";
import { print, printJson } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly file: string;
}

export const backup: Command<Flags> = {
  command: "backup <file>",
  describe: "Copy the schedule database into a new file, also while a scheduler runs",
  builder: flags({ ...storeFlag, ...jsonFlag }),
  async run({ scheduleDb, file, json }) {
    const { location, bytes } = backUpDatabase(scheduleDb, file);
    if (json) printJson({ backup: location, bytes });
    else print(`${location}: ${megabytes(bytes)}, checked.`);
    return 0;
  },
};
