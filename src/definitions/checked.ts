// A definition that is right in itself may still make a message that workers lose or die of. That, too, is told when it is
// written, not when it falls due.

import { prepareMessage } from "../celery/message.ts";
import { templateOf } from "../celery/templates.ts";
import { type Definition, parseDefinition } from "../core/definition.ts";
import { BeatError, DefinitionError, type Place } from "../core/errors.ts";
import type { HttpTarget } from "../core/http-target.ts";
import { isMessage, targetOf } from "../core/target.ts";

/** Whether there is a key to sign with is known where messages are sent. */
const signer = { sign: (json: Buffer) => json, validUntil: Number.POSITIVE_INFINITY };

/** Like parseDefinition, and what a task would send is checked as well. Throws DefinitionError. */
export function checkedDefinition(
  value: unknown,
  place: Place,
  calendars: Parameters<typeof parseDefinition>[2] = {},
): Definition {
  const definition = parseDefinition(value, place, calendars);
  const target = targetOf(definition);
  if (!isMessage(target)) return definition;
  try {
    if (target.kind === "http") checkTemplates(target);
    else prepareMessage({ entryName: place.entry ?? "", target, defaultQueue: "celery", origin: "beat", signer });
    return definition;
  } catch (error) {
    if (!(error instanceof BeatError)) throw error;
    const { message, remedy } = error;
    throw new DefinitionError(message, {
      ...(remedy && { remedy }),
      cause: error,
      place: { ...place, ...error.place },
    });
  }
}

function checkTemplates({ headers, body }: HttpTarget): void {
  templateOf(headers, "http.headers");
  templateOf(body, "http.body");
}
