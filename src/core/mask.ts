// Secrets in text. URLs reach logs and errors in many ways (flags, driver messages, other people's exceptions), so what
// is masked is not a parsed URL but anything in a text that looks like one. A password may hold `@`, `:`, `/` and `%`, as
// people do write them unencoded; in doubt more is masked than needed, never less.

const masked = "***";
const scheme = /(["'`]?)[a-z][a-z0-9+.-]{0,40}:\/\//gi;
const secretParameter =
  /([?&;](?:[a-z0-9_.-]{0,30}[_.-])?(?:(?:ssl)?password|passwd|pwd|passphrase|secret|token|jwt|auth|key|api_?key|sig|signature|predefined_queues)=)[^&;#\s"'`<>]+/gi;
/** `user:password` whose `@host` was forgotten: what follows the colon is no port. */
const forgotten = /^([^/?#:[\]]*:)(?!\d*(?:$|[/?#;:,.)\]}>"'`\\]))[^/?#]+/;
/** In SQS's `predefined_queues`, which is JSON. */
const secretMember = /(["'](?:secret_access_key|session_token)["']\s*:\s*["'])[^"'\s]+/gi;

/**
 * `text` with the password of each URL in it as `***`: `amqp://beat:***@host//`. Linear in its length. A URL ends at white
 * space, and one that directly follows a quote ends at the next such quote; so mask values before they become JSON.
 */
export function maskUrl(text: string): string {
  if (!text.includes("://")) return text;
  const starts = startsOf(text);
  let result = "";
  let done = 0;
  for (const [index, match] of starts.entries()) {
    const from = match.index + match[0].length;
    const segment = urlText(text.slice(from, starts[index + 1]?.index ?? text.length), match[1]!);
    result += text.slice(done, from) + withoutPassword(segment);
    done = from + segment.length;
  }
  return (result + text.slice(done)).replace(secretParameter, `$1${masked}`).replace(secretMember, `$1${masked}`);
}

/** Where URLs begin. What looks like a scheme right behind another one is a user whose password begins with `//`. */
function startsOf(text: string): RegExpExecArray[] {
  const starts: RegExpExecArray[] = [];
  let from = -1;
  for (const match of text.matchAll(scheme)) {
    if (match.index === from) continue;
    starts.push(match);
    from = match.index + match[0].length;
  }
  return starts;
}

/** The part of `rest` that belongs to the URL. */
function urlText(rest: string, quote: string): string {
  const unspaced = /^\S*/.exec(rest)![0];
  const end = quote === "" ? -1 : unspaced.indexOf(quote);
  return end < 0 ? unspaced : unspaced.slice(0, end);
}

function withoutPassword(segment: string): string {
  const colon = segment.indexOf(":");
  const at = segment.lastIndexOf("@");
  if (at < 0) return segment.replace(forgotten, `$1${masked}`);
  return colon < 0 || at < colon ? segment : `${segment.slice(0, colon)}:${masked}${segment.slice(at)}`;
}

/** The names of the parameters in a URL's query that are masked. */
export function secretParameters(url: string): string[] {
  return [...url.matchAll(secretParameter)].map(([, name]) => name!.slice(1, -1));
}

/** Masks every text in a value made of lists and maps. */
export function maskAll(value: unknown): unknown {
  if (typeof value === "string") return maskUrl(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(maskAll);
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, maskAll(child)]));
}
