// A JSON value as YAML 1.1, which is what PyYAML reads. It is JSON's own notation but for three things that differ there:
// characters beyond 16 bits, numbers with an exponent, and long keys.

const needsEscape = /[^ !#-[\]-~]/;
const notAscii = /[^ -~]/gu;
/** PyYAML finds a key without a mark within 1,024 characters only. */
const maxKeyLength = 1_000;

export function pythonYaml(value: unknown): string {
  if (typeof value === "string") return yamlString(value);
  if (typeof value === "number") return yamlNumber(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(pythonYaml).join(", ")}]`;
  const items = Object.entries(value).map(([key, item]) => {
    const written = yamlString(key);
    return `${written.length > maxKeyLength ? `? ${written} ` : written}: ${pythonYaml(item)}`;
  });
  return `{${items.join(", ")}}`;
}

function yamlString(text: string): string {
  if (!needsEscape.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(notAscii, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
  });
}

/** A number with an exponent is one in YAML 1.1 only if it has a point as well. */
function yamlNumber(value: number): string {
  const text = JSON.stringify(value);
  return text.includes("e") && !text.includes(".") ? text.replace("e", ".0e") : text;
}
