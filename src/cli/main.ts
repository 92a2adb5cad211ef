// The command line: `beat COMMAND`. One file a command; exit codes in exit-codes.ts.

import yargs from "yargs";
import { BeatError, nearest, UsageError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import { packageVersion } from "../versions.ts";
import { add } from "./commands/add.ts";
import { backup } from "./commands/backup.ts";
import { doctor } from "./commands/doctor.ts";
import { history } from "./commands/history.ts";
import { lint } from "./commands/lint.ts";
import { list } from "./commands/list.ts";
import { migrate } from "./commands/migrate.ts";
import { next } from "./commands/next.ts";
import { pause } from "./commands/pause.ts";
import { queues } from "./commands/queues.ts";
import { remove } from "./commands/remove.ts";
import { resume } from "./commands/resume.ts";
import { retry } from "./commands/retry.ts";
import { show } from "./commands/show.ts";
import { start } from "./commands/start.ts";
import { status } from "./commands/status.ts";
import { trigger } from "./commands/trigger.ts";
import { validate } from "./commands/validate.ts";
import { version } from "./commands/version.ts";
import { why } from "./commands/why.ts";
import { exitCodeOf } from "./exit-codes.ts";

const commands = [
  start,
  list,
  show,
  next,
  add,
  remove,
  pause,
  resume,
  trigger,
  history,
  why,
  retry,
  status,
  validate,
  lint,
  queues,
  migrate,
  backup,
  doctor,
  version,
];

/** Runs one command line and returns the exit code. Errors are printed as one clear text on stderr. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    let code = 0;
    const parser = yargs([...args])
      .scriptName("beat")
      .usage("$0 COMMAND\n\nSchedules Celery tasks and local jobs: exact in time, nothing lost.")
      .version(packageVersion())
      .strict()
      .recommendCommands()
      .demandCommand(1, "")
      .wrap(Math.min(120, process.stdout.columns ?? 100))
      .epilogue("Every flag can also be given as an environment variable: --schedule-db as BEAT_SCHEDULE_DB.")
      .exitProcess(false)
      .showHelpOnFail(false)
      .fail((message, error) => {
        throw (
          error ??
          new UsageError(message || `no command given; the commands are: ${names().join(", ")}`, {
            remedy: "See beat --help.",
          })
        );
      });
    for (const { run, ...command } of commands) {
      parser.command({
        ...command,
        handler: async (argv) => {
          code = await run(argv as never);
        },
      });
    }
    const first = args[0];
    if (first !== undefined && !first.startsWith("-") && !names().includes(first)) {
      const guess = nearest(first, names());
      throw new UsageError(`there is no command "${first}"`, {
        remedy: guess ? `Did you mean "${guess}"?` : `The commands are: ${names().join(", ")}.`,
      });
    }
    await parser.parseAsync();
    return code;
  } catch (error) {
    const text =
      error instanceof BeatError
        ? error.describe()
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error);
    process.stderr.write(`beat: ${maskUrl(text)}\n`);
    return exitCodeOf(error);
  }
}

function names(): string[] {
  return commands.map(({ command }) => command.split(" ")[0]!);
}
