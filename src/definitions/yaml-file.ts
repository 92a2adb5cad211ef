// YAML, as far as schedule files may use it: one document of maps with text keys, lists, texts, numbers, true, false and
// null. Aliases repeat things; tags, merge keys and numbers that would lose digits are refused. Every value knows its place.

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { DefinitionError, type Place } from "../core/errors.ts";
import { syntaxProblem } from "./yaml-syntax.ts";

const maxDepth = 100;
const maxProblems = 100;
const plainTag = /^tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)$/;

export interface YamlMember {
  readonly key: string;
  readonly place: Place;
  readonly value: unknown;
  /** What the file itself has wrong within this member: part of its value is missing. */
  readonly problems: readonly DefinitionError[];
}

interface Known {
  readonly node: unknown;
  readonly value: unknown;
}

export class YamlFile {
  /** At most 100. */
  readonly problems: DefinitionError[] = [];
  /** What the document holds, null where it holds nothing; undefined where its syntax is broken. */
  readonly value: unknown;
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #contents: unknown;
  readonly #offsets = new Map<DefinitionError, number>();
  readonly #anchors = new Map<string, Known>();
  readonly #pairs = new Map<YamlMember, { readonly key: unknown; readonly value: unknown }>();
  readonly #aliased = new Map<Alias, unknown>();

  /** Never throws for what the text says: that is in `problems`. */
  constructor(text: string, file: string) {
    this.#file = file;
    try {
      const document = parseDocument(text, {
        schema: "core",
        stringKeys: true,
        // Told by the walk below, with both places; the parser would compare each key with each.
        uniqueKeys: false,
        lineCounter: this.#lines,
        prettyErrors: false,
        logLevel: "error",
      });
      if (this.#isWellFormed(document, text)) {
        this.#contents = document.contents;
        this.value = this.#valueOf(document.contents, 0) ?? null;
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.problems.push(new DefinitionError("it nests too deep to be read", { place: { file } }));
    }
  }

  /** The members of the map under a top key, or of the whole document, in the order in which they are written. */
  members(topKey?: string): YamlMember[] {
    const node = topKey === undefined ? this.#contents : this.#member(this.#contents, topKey)?.value;
    const values = topKey === undefined ? this.value : (this.value as Record<string, unknown> | null)?.[topKey];
    const map = this.#resolved(node);
    if (!isMap(map)) return [];
    const members = new Map<string, YamlMember>();
    for (const { key, value } of map.items) {
      const name = keyText(key);
      if (members.has(name) || !Object.hasOwn(values as object, name)) continue;
      const member = {
        key: name,
        place: this.#placeOf(key),
        value: (values as Record<string, unknown>)[name],
        problems: this.#problemsWithin(key, value),
      };
      members.set(name, member);
      this.#pairs.set(member, { key, value });
    }
    return [...members.values()];
  }

  #problemsWithin(key: unknown, value: unknown): DefinitionError[] {
    if (this.problems.length === 0) return [];
    const from = rangeOf(key)?.[0] ?? 0;
    const until = rangeOf(value)?.[1] ?? from;
    const within = (offset: number) => offset > from && offset < until;
    return this.problems.filter((problem) => within(this.#offsets.get(problem) ?? -1));
  }

  /** The place of what `field` (`options.expires`, `args.0`) names below a member: a key, or an item of a list; as near to it as there is one. */
  locate(member: YamlMember, field: string): Place {
    let { key: nearestNode, value: node } = this.#pairs.get(member)!;
    for (let rest = field; rest !== ""; ) {
      const [found, part] = this.#step(node, rest);
      if (found === undefined) break;
      nearestNode = found.key ?? found.value;
      node = found.value;
      rest = rest.slice(part.length + 1);
    }
    return this.#placeOf(nearestNode);
  }

  /** A field's path is joined by dots and keys may hold dots themselves: the longest key that fits is taken. */
  #step(node: unknown, rest: string): [{ key?: unknown; value: unknown } | undefined, string] {
    const inside = this.#resolved(node);
    if (isSeq(inside)) {
      const part = rest.split(".", 1)[0]!;
      const item = inside.items[Number(part)];
      return [item === undefined ? undefined : { value: item }, part];
    }
    if (!isMap(inside)) return [undefined, ""];
    const fitting = inside.items.filter(({ key }) => rest === keyText(key) || rest.startsWith(`${keyText(key)}.`));
    const longest = fitting.toSorted((a, b) => keyText(b.key).length - keyText(a.key).length)[0];
    return [longest, longest === undefined ? "" : keyText(longest.key)];
  }

  #member(node: unknown, key: string) {
    const map = this.#resolved(node);
    return isMap(map) ? map.items.find((pair) => keyText(pair.key) === key) : undefined;
  }

  #resolved(node: unknown): unknown {
    return isAlias(node) ? this.#aliased.get(node) : node;
  }

  #placeOf(node: unknown): Place {
    const offset = rangeOf(node)?.[0];
    return offset === undefined ? { file: this.#file } : this.#placeAt(offset);
  }

  #placeAt(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line, column: col };
  }

  #refuse(node: unknown, message: string, remedy: string): null {
    if (this.problems.length === maxProblems) return null;
    const problem = new DefinitionError(message, { remedy, place: this.#placeOf(node) });
    this.problems.push(problem);
    this.#offsets.set(problem, rangeOf(node)?.[0] ?? 0);
    return null;
  }

  #isWellFormed(document: Document.Parsed, text: string): boolean {
    const [error] = document.errors;
    if (error === undefined) return true;
    this.problems.push(syntaxProblem(error, text, this.#placeAt(Math.min(error.pos[0], text.length))));
    return false;
  }

  // ------------------------------------------------------------------------------------------------ nodes to values

  #valueOf(node: unknown, depth: number): unknown {
    if (depth > maxDepth) throw new RangeError("too deep");
    return isAlias(node) ? this.#ofAlias(node) : this.#ofNode(node, depth);
  }

  #ofAlias(alias: Alias): unknown {
    const known = this.#anchors.get(alias.source);
    if (known === undefined) {
      return this.#refuse(
        alias,
        `"*${alias.source}" repeats what "&${alias.source}" marks, and nothing before it is marked so`,
        "Put a text that begins with * in quotes.",
      );
    }
    this.#aliased.set(alias, known.node);
    return known.value;
  }

  #ofNode(node: unknown, depth: number): unknown {
    const { tag, anchor } = (node ?? {}) as { tag?: string; anchor?: string };
    let value: unknown = null;
    if (tag !== undefined && !plainTag.test(tag)) {
      this.#refuse(
        node,
        `the tag "${tag.replace("tag:yaml.org,2002:", "!!")}" is not known here`,
        "Write a plain text, number, list or map.",
      );
    } else if (isMap(node)) value = this.#ofMap(node, depth);
    else if (isSeq(node)) value = node.items.map((item) => this.#valueOf(item, depth + 1));
    else if (isScalar(node)) value = node.value;
    const { source = "" } = (node ?? {}) as { source?: string };
    if (Number.isInteger(value) && !Number.isSafeInteger(value) && /^[-+]?(\d+$|0[xo])/.test(source)) {
      this.#refuse(
        node,
        `${source.slice(0, 40)} is too large a number to be kept exactly`,
        "Put it in quotes, as a text.",
      );
    }
    if (anchor !== undefined) this.#anchors.set(anchor, { node, value });
    return value;
  }

  #ofMap(map: YAMLMap, depth: number): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    const firsts = new Map<string, unknown>();
    for (const { key, value: child } of map.items) {
      const name = keyText(key);
      const childValue = this.#valueOf(child, depth + 1);
      if (firsts.has(name)) {
        const { line } = this.#placeOf(firsts.get(name));
        this.#refuse(
          key,
          `"${name}" stands here a second time; the first is in line ${line}`,
          "Rename or remove one of them.",
        );
      } else if (name === "__proto__") {
        this.#refuse(key, 'the key "__proto__" is not allowed', "Choose another name.");
      } else if (name === "<<") {
        this.#refuse(
          key,
          'merge keys ("<<") are not understood',
          'Write the keys out, or repeat a whole value: "options: *name".',
        );
      } else value[name] = childValue;
      firsts.set(name, firsts.get(name) ?? key);
    }
    return value;
  }
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value ?? "") : "";
}

function rangeOf(node: unknown): readonly number[] | undefined {
  return (node as { range?: readonly number[] | null } | null | undefined)?.range ?? undefined;
}
