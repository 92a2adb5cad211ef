import {
  type Command,
  flags,
  type JsonFlag,
  jsonFlag,
  jsonFlagValue,
  type StoreFlags,
  storeFlag,
  withScheduler,
} from "../command.ts";
import { entriesTable, entryJson, print, printJson } from "../output.ts";
import { scheduleOfFlags, triggerFlags } from "../trigger-flags.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name: string;
  readonly task?: string;
  readonly http?: string;
  readonly run?: string;
  readonly job?: string;
  readonly args?: string;
  readonly kwargs?: string;
  readonly options?: string;
  readonly definition?: string;
  readonly replace: boolean;
}

export const add: Command<Flags> = {
  command: "add <name>",
  describe: "Add an entry",
  builder: flags({
    ...storeFlag,
    ...jsonFlag,
    ...triggerFlags,
    task: { type: "string", describe: "The Celery task to send" },
    args: { type: "string", describe: "Its args: a JSON list" },
    kwargs: { type: "string", describe: "Its kwargs: a JSON object" },
    options: { type: "string", describe: 'apply_async\'s options as JSON: {"queue": "emails"}' },
    http: { type: "string", describe: 'A request to send: its URL, or JSON: {"url": …, "method": "PUT"}' },
    run: { type: "string", describe: "A command to run here: a shell text, or a JSON list" },
    job: { type: "string", describe: "A function to run here: ./file.ts#export" },
    definition: { type: "string", describe: "Further keys, or all of them, as JSON, as in a schedule file" },
    replace: {
      type: "boolean",
      default: false,
      describe: "Change the entry if it exists; its progress stays unless its schedule changes",
    },
  }),
  run: (options) =>
    withScheduler(
      options,
      async (scheduler) => {
        const entry = await scheduler.add(options.name, definitionOf(options), {
          origin: "cli",
          conflict: options.replace ? "replace" : "throw",
        });
        if (options.json) printJson(entryJson(entry));
        else print(entriesTable([entry], scheduler.now()));
        return 0;
      },
      { create: true },
    ),
};

function definitionOf(options: Flags): Record<string, unknown> {
  const { task, job, http, run } = options;
  const given = {
    ...(jsonFlagValue("definition", options.definition) as object | undefined),
    ...scheduleOfFlags(options),
    task,
    job,
    http: http === undefined || http.startsWith("{") ? jsonFlagValue("http", http) : { url: http },
    run: run?.startsWith("[") ? jsonFlagValue("run", run) : run,
    args: jsonFlagValue("args", options.args),
    kwargs: jsonFlagValue("kwargs", options.kwargs),
    options: jsonFlagValue("options", options.options),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
