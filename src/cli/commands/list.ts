import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { entriesTable, entryJson, print, printJson } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly limit: number;
  readonly after?: string;
}

export const list: Command<Flags> = {
  command: "list",
  describe: "The entries, by name",
  builder: flags({
    ...storeFlag,
    ...jsonFlag,
    limit: { type: "number", default: 1_000, describe: "At most so many" },
    after: { type: "string", describe: "Go on after this name" },
  }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const { limit, after } = options;
      const entries = await scheduler.list({ limit, ...(after !== undefined && { afterName: after }) });
      if (options.json) printJson(entries.map(entryJson));
      else print(entries.length === 0 ? "There are no entries." : entriesTable(entries, scheduler.now()));
      if (entries.length === limit && !options.json)
        print(`… more with --after ${JSON.stringify(entries.at(-1)!.name)}`);
      return 0;
    }),
};
