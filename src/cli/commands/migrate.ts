import { type Command, flags, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { print } from "../output.ts";

export const migrate: Command<StoreFlags> = {
  command: "migrate",
  describe: "Make the schedule database, or bring it up to date; beat start does so by itself",
  builder: flags(storeFlag),
  run: (options) =>
    withScheduler(
      options,
      async (scheduler) => {
        const { store } = await scheduler.status();
        print(`${store} is up to date.`);
        return 0;
      },
      { create: true },
    ),
};
