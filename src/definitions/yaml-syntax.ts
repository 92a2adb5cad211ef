// Broken YAML in plain words. The parser speaks of tokens and flow collections; who wrote the file forgot a quote.

import type { YAMLError } from "yaml";
import { DefinitionError, type Place } from "../core/errors.ts";

type Words = readonly [message: string, remedy?: string];

const byCode: Readonly<Partial<Record<YAMLError["code"], Words>>> = {
  TAB_AS_INDENT: ["a tab indents this line", "Indent with spaces."],
  MULTIPLE_DOCS: ["a second document begins here", "Keep one document in a file."],
  BLOCK_AS_IMPLICIT_KEY: ['a text with ": " in it needs quotes', "Put it in quotes."],
  MULTILINE_IMPLICIT_KEY: ['a key here is not followed by ":"'],
  NON_STRING_KEY: ["a key must be a text"],
  BAD_INDENT: [
    "this line is not indented like those that it belongs to",
    "Begin the keys of one map in the same column.",
  ],
};

/** `place`: of the error in `text`. */
export function syntaxProblem(error: YAMLError, text: string, place: Place): DefinitionError {
  const [message, remedy] = words(error, text);
  return new DefinitionError(`this is not YAML: ${message}`, { ...(remedy && { remedy }), place, cause: error });
}

function words(error: YAMLError, text: string): Words {
  if (error.message.includes("call stack")) return ["it nests too deep to be read"];
  const line = text.slice(text.lastIndexOf("\n", error.pos[0] - 1) + 1).split("\n", 1)[0]!;
  const starred = /(?:^|[:\-,[{])\s*(\*\S*(?: [^#,}\]]*)?)/.exec(line)?.[1];
  if (starred !== undefined && (error.code === "BAD_ALIAS" || error.code === "UNEXPECTED_TOKEN")) {
    return ['a text that begins with "*" needs quotes', `Write "${starred.trim()}".`];
  }
  if (error.code === "BAD_SCALAR_START") {
    const character = text[error.pos[0]] ?? "";
    return [`a text that begins with "${character}" needs quotes`, "Put it in quotes."];
  }
  const missing = /end with a ([}\]])|Missing closing (["'])|^Expected .*end with (.)/.exec(error.message);
  const character = missing?.[1] ?? missing?.[2] ?? missing?.[3];
  if (character !== undefined) return [`a closing ${character} is missing`];
  return byCode[error.code] ?? [error.message];
}
