import { stringify } from "yaml";
import { statusOf } from "../../core/entry.ts";
import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { entryJson, localTime, occurrenceJson, print, printJson, relative, whenText, zoneOf } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name: string;
}

export const show: Command<Flags> = {
  command: "show <name>",
  describe: "One entry: its definition, progress and last runs",
  builder: flags({ ...storeFlag, ...jsonFlag }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const entry = await scheduler.get(options.name);
      const occurrences = await scheduler.history({ name: entry.name, limit: 5 });
      if (options.json) {
        printJson({ ...entryJson(entry), history: occurrences.map(occurrenceJson) });
        return 0;
      }
      const zone = zoneOf(entry);
      const now = scheduler.now();
      const time = (at: number | null) => (at === null ? "never" : `${localTime(at, zone)} (${relative(at, now)})`);
      print(stringify({ [entry.name]: entry.definition }).trimEnd());
      print("");
      print(
        `status    ${statusOf(entry)}${entry.pauseNote ? `: ${entry.pauseNote}` : ""}${entry.quarantine ? `: ${entry.quarantine}` : ""}${entry.parked ? `, parked: ${entry.parked}` : ""}`,
      );
      print(`when      ${whenText(entry) ?? "unknown: its definition is no longer valid"}`);
      print(`next run  ${time(entry.nextFireAt)}`);
      print(`last      ${time(entry.lastFireAt)}`);
      print(`runs      ${entry.runCount}`);
      print(`owner     ${entry.origin}`);
      for (const { state, fireAt, count, reason } of occurrences) {
        print(
          `          ${localTime(fireAt, zone)}  ${state}${count > 1 ? ` ×${count}` : ""}${reason ? `: ${reason}` : ""}`,
        );
      }
      return 0;
    }),
};
