// JSON values as Python would write them: as JSON (`json.dumps`) in message bodies and envelopes, and as text (`repr`) in
// the headers that Celery's logs and events show.

/** What `json.dumps` gives: `, ` and `: ` between the parts, everything but printable ASCII escaped. `value` is JSON. */
export function pythonJson(value: unknown): string {
  if (typeof value === "string") return jsonString(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  let text = "";
  if (Array.isArray(value)) {
    for (const item of value) text += text === "" ? pythonJson(item) : `, ${pythonJson(item)}`;
    return `[${text}]`;
  }
  for (const [key, item] of Object.entries(value)) {
    text += `${text === "" ? "" : ", "}${jsonString(key)}: ${pythonJson(item)}`;
  }
  return `{${text}}`;
}

const needsEscape = /[^ !#-[\]-~]/;
const notAscii = /[^ -~]/g;

function jsonString(text: string): string {
  if (!needsEscape.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(notAscii, unicodeEscape);
}

function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

const reprLength = 1_024;
const reprLevels = 3;

/**
 * The Python `repr` of a JSON value the way that Celery's client abbreviates it: strings in single quotes, nothing
 * deeper than three levels, about 1,024 characters at most; `...` stands for what was left out.
 */
export function pythonRepr(value: unknown): string {
  return repr(value, reprLength, 0);
}

function repr(value: unknown, room: number, level: number): string {
  switch (typeof value) {
    case "string":
      return reprString(value, room);
    case "number":
      return reprNumber(value);
    case "boolean":
      return value ? "True" : "False";
    default:
      return value === null || value === undefined ? "None" : reprContainer(value, room, level);
  }
}

function reprContainer(value: object, room: number, level: number): string {
  const isArray = Array.isArray(value);
  const [open, close] = isArray ? ["[", "]"] : ["{", "}"];
  const entries: readonly (readonly [string, unknown])[] = Object.entries(value);
  if (entries.length > 0 && level >= reprLevels) return `${open}...${close}`;
  let text = "";
  for (const [key, item] of entries) {
    if (text !== "") text += ", ";
    if (text.length >= room) {
      text += "...";
      break;
    }
    if (!isArray) text += `${reprString(key, room - text.length)}: `;
    text += repr(item, Math.max(0, room - text.length), level + 1);
  }
  return open + text + close;
}

const shortEscapes: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "'": "\\'",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};
/** What Python does not count as printable: separators but the space, control, format, private and unassigned characters, lone surrogates. */
const notPrintable = /[\\']|(?! )[\p{C}\p{Z}]/gu;

function reprString(text: string, room: number): string {
  const shown = text.length > room ? `${text.slice(0, Math.max(0, room))}...` : text;
  return `'${shown.replace(notPrintable, (character) => shortEscapes[character] ?? reprEscape(character))}'`;
}

function reprEscape(character: string): string {
  const code = character.codePointAt(0)!;
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** Whole numbers are Python's ints, as they are in the JSON that is sent. Others have an exponent below 1e-4 and from 1e16. */
function reprNumber(value: number): string {
  const text = String(value);
  if (Number.isInteger(value) && !text.includes("e")) return text;
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e16) return text;
  const [digits, exponent] = value.toExponential().split("e");
  const power = exponent!.slice(1).padStart(2, "0");
  return `${digits}e${exponent![0]}${power}`;
}
