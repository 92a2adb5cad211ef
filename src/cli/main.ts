// The command line: `beat COMMAND`. One file a command; exit codes in exit-codes.ts.

import yargs from "yargs";
import { BeatError, nearest, UsageError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import { packageVersion } from "../versions.ts";
import type { Command } from "./command.ts";
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
    const first = args[0];
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
        // YError: what a flag's own check said.
        if (error !== undefined && error.name !== "YError") throw error;
        const command = commands.find(({ command }) => nameOf(command) === first);
        throw wrongUsage(message, command);
      });
    for (const { run, ...command } of commands) {
      parser.command({
        ...command,
        handler: async (argv) => {
          code = await run(argv as never);
        },
      });
    }
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

/** What yargs found wrong, with what would be right. */
function wrongUsage(message: string, command: Pick<Command, "command" | "builder"> | undefined): UsageError {
  if (command === undefined) {
    return new UsageError(message || `no command given; the commands are: ${names().join(", ")}`, {
      remedy: "See beat --help.",
    });
  }
  const remedy = `See beat ${nameOf(command.command)} --help.`;
  if (message.startsWith("Not enough")) return new UsageError(`it is written: beat ${command.command}`, { remedy });
  const [, unknown] = /^Unknown arguments?: ([^,]+)/.exec(message) ?? [];
  if (unknown !== undefined) {
    const guess = nearest(unknown, Object.keys(command.builder));
    return new UsageError(`beat ${nameOf(command.command)} does not know "${unknown}"`, {
      remedy: guess === undefined ? remedy : `Did you mean --${guess}?`,
    });
  }
  const [, flag, needed] = /^Implications failed:\s*(\S+) -> (\S+)/.exec(message) ?? [];
  if (flag !== undefined) return new UsageError(`--${flag} needs --${needed} beside it`, { remedy });
  const [, chosen, given, choices] =
    /^Invalid values:\s*Argument: (\S+), Given: (.+), Choices: (.+)/.exec(message) ?? [];
  if (chosen !== undefined) return new UsageError(`--${chosen}: ${given} is none of ${choices}`, { remedy });
  return new UsageError(message, { remedy });
}

function names(): string[] {
  return commands.map(({ command }) => nameOf(command));
}

function nameOf(command: string): string {
  return command.split(" ")[0]!;
}
