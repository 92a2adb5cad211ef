import { UsageError } from "../../core/errors.ts";
import {
  type Command,
  flags,
  type JsonFlag,
  jsonFlag,
  type StoreFlags,
  storeFlag,
  timeFor,
  withScheduler,
} from "../command.ts";
import { print, printJson } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name?: string;
  readonly at?: string;
  readonly all: boolean;
  readonly limit: number;
}

export const retry: Command<Flags> = {
  command: "retry [name]",
  describe: "Send failed runs again, under the same ids (`beat history --failed` lists them)",
  builder: flags({
    ...storeFlag,
    ...jsonFlag,
    at: { type: "string", describe: "Only the run of this fire time, in the entry's zone unless it says otherwise" },
    all: { type: "boolean", default: false, describe: "What failed of every entry" },
    limit: { type: "number", alias: "n", default: 1_000, describe: "At most so many, the newest first" },
  }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const { name, at, all, limit } = options;
      if ((name === undefined) === !all) {
        throw new UsageError("give the name of an entry, or --all", {
          remedy: "`beat history --failed` lists what failed.",
        });
      }
      if (at !== undefined && name === undefined) throw new UsageError("--at needs the name of an entry");
      const fireAt =
        name === undefined || at === undefined ? undefined : timeFor(await scheduler.get(name), at, "--at");
      const count = await scheduler.retry({
        limit,
        ...(name !== undefined && { name }),
        ...(fireAt !== undefined && { fireAt }),
      });
      const { leader } = await scheduler.status();
      if (options.json) printJson({ count, running: leader !== undefined });
      else print(sentence(count, name, leader !== undefined));
      return 0;
    }),
};

function sentence(count: number, name: string | undefined, running: boolean): string {
  const whose = name === undefined ? "" : ` of ${name}`;
  if (count === 0) return `No run${whose} has failed; nothing is sent again.`;
  const what = count === 1 ? `1 failed run${whose} goes` : `${count} failed runs${whose} go`;
  return `${what} out again${running ? "." : " as soon as a scheduler runs on this database."}`;
}
