// What a message's body holds: arguments, and what comes after the task. A canvas is one message as well. A chain travels in
// the first task's body, in reverse, as Celery's client sends it. A group and a chord, for which a client sends many
// messages, are unrolled by the worker: its own tasks `celery.group` and `celery.chord` are told what they are made of.
// The ids of all these tasks derive from the occurrence's: what is sent twice starts nothing under another id.

import { hash } from "node:crypto";
import { version5 } from "../core/occurrence-id.ts";
import { type Member, signatureOf, type TaskOptions, type TaskTarget } from "../core/target.ts";
import { checkCall, prepareSignature, type WrittenSignature } from "./calls.ts";
import { refusal } from "./refusal.ts";
import type { TemplateValues } from "./templates.ts";

export interface Content {
  readonly args: unknown;
  readonly kwargs: unknown;
  readonly embed: {
    readonly callbacks: readonly WrittenSignature[] | null;
    readonly errbacks: readonly WrittenSignature[] | null;
    readonly chain: readonly WrittenSignature[] | null;
    readonly chord: null;
  };
}

export interface Contents {
  /** It is the same for every occurrence. */
  readonly isFixed: boolean;
  of(taskId: string, values: TemplateValues): Content;
}

/** Options of a signature that only the occurrence can give. */
type More = Readonly<Record<string, unknown>>;
type Links = (values: TemplateValues) => readonly WrittenSignature[] | null;

/** Checks all that a target sends. Throws BeatError at the field that is wrong. */
export function prepareContents(target: TaskTarget): Contents {
  const link = prepareLinks(target.options.link, "options.link");
  const linkError = prepareLinks(target.options.link_error, "options.link_error");
  const { canvas } = target;
  if (canvas !== undefined && "group" in canvas) return group(canvas.group, target.options, linkError.write);
  if (canvas !== undefined && "chord" in canvas) return chord(canvas.chord, link.write, linkError.write);
  const { args, kwargs } = checkCall(target, "");
  const isFixed = args.isFixed && kwargs.isFixed && link.isFixed && linkError.isFixed;
  const chain = canvas?.chain.map((each, index) => prepareSignature(each, `chain.${index + 1}`)) ?? [];
  return {
    isFixed: isFixed && chain.length === 0,
    of(taskId, values) {
      const callbacks = link.write(values);
      const errbacks = linkError.write(values);
      const rest = chain.map(({ write }, index) =>
        write(values, {
          task_id: partId(taskId, index + 1),
          ...linked(index === chain.length - 1 ? callbacks : null, errbacks),
        }),
      );
      const embed = {
        callbacks: rest.length === 0 ? callbacks : null,
        errbacks,
        chain: rest.length === 0 ? null : rest.reverse(),
        chord: null,
      };
      return { args: args.fill(values), kwargs: kwargs.fill(values), embed };
    },
  };
}

const nothingAfter = { callbacks: null, errbacks: null, chain: null, chord: null } as const;

/** The arguments of Celery's task `celery.group`; its `result` says which ids it will have made. */
function group(members: readonly Member[], options: TaskOptions, linkError: Links): Contents {
  if (options.link !== undefined) {
    throw refusal(
      "a group has no end that could be linked to",
      "options.link",
      "Make it a chord, with that task as its body.",
    );
  }
  const writers = members.map((member, index) => prepareMember(member, `group.${index}`));
  return {
    isFixed: false,
    of(taskId, values) {
      const groupId = partId(taskId, 0);
      const ids = writers.map((_, index) => partId(taskId, index + 1));
      const tasks = writers.map((write, index) =>
        write(values, { task_id: ids[index], ...linked(null, linkError(values)) }),
      );
      const result = [[groupId, null], ids.map((id) => [[id, null], null])];
      return { args: [], kwargs: { tasks, result, group_id: groupId, partial_args: [] }, embed: nothingAfter };
    },
  };
}

/** The arguments of Celery's task `celery.chord`. What is linked to a chord is linked to its body. */
function chord(
  { header, body }: { readonly header: readonly Member[]; readonly body: Member },
  link: Links,
  linkError: Links,
): Contents {
  const writers = header.map((member, index) => prepareMember(member, `chord.header.${index}`));
  const writeBody = prepareMember(body, "chord.body");
  return {
    isFixed: false,
    of(taskId, values) {
      const tasks = writers.map((write, index) => write(values, { task_id: partId(taskId, index + 1) }));
      const last = writeBody(values, linked(link(values), linkError(values)));
      return { args: [], kwargs: { header: tasks, body: last, task_id: partId(taskId, 0) }, embed: nothingAfter };
    },
  };
}

const linked = (callbacks: ReturnType<Links>, errbacks: ReturnType<Links>): More => ({
  ...(callbacks && { link: callbacks }),
  ...(errbacks && { link_error: errbacks }),
});

function prepareMember(member: Member, field: string): (values: TemplateValues, more: More) => WrittenSignature {
  if (!("chain" in member)) return prepareSignature(member, field).write;
  const tasks = member.chain.map((each, index) => prepareSignature(each, `${field}.chain.${index}`));
  return (values, more) => ({
    task: "celery.chain",
    args: [],
    kwargs: { tasks: tasks.map(({ write }) => write(values)) },
    options: more,
    subtask_type: "chain",
    immutable: false,
  });
}

function prepareLinks(
  written: TaskOptions["link"],
  field: string,
): { readonly isFixed: boolean; readonly write: Links } {
  if (written === undefined) return { isFixed: true, write: () => null };
  const isList = Array.isArray(written);
  const all = (isList ? written : [written]).map((each, index) =>
    prepareSignature(signatureOf(each), isList ? `${field}.${index}` : field),
  );
  return {
    isFixed: all.every(({ isFixed }) => isFixed),
    write: (values) => all.map(({ write }) => write(values)),
  };
}

/** The id of a task that a canvas makes: a UUID version 5, named by the occurrence's id and its place. */
function partId(taskId: string, place: number): string {
  return version5(hash("sha1", `${taskId}:${place}`, "hex"));
}
