// One HTTP request to a URL that a user gave: only to addresses that are allowed, signed where there is a secret, redirects
// not followed, and no more of the answer read than what a person needs to see.

import { createHmac } from "node:crypto";
import { type Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { BeatError, reasonOf } from "../core/errors.ts";
import { PrivateAddressError, publicOnly, refusePrivate } from "./addresses.ts";

export interface WebRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: none. */
  readonly body: string | Buffer | undefined;
  /** Its reason says why where it ends the request. */
  readonly signal: AbortSignal;
  /** Whether addresses of this machine and of private networks may be asked. Those that may and those that may not must not share an agent. */
  readonly allowPrivate: boolean;
  /** Signs the time and the body: `Beat-Signature: t=SECONDS,v1=HEX`, HMAC-SHA256 of `SECONDS.BODY`. */
  readonly secret?: string | undefined;
  /** Wall clock, epoch ms. */
  readonly now: number;
  /** Keeps connections. Default: a connection for this request alone. */
  readonly agent?: Agent;
}

export interface Reply {
  readonly status: number;
  /** The Retry-After header as it came. */
  readonly retryAfter: string | undefined;
  /** The beginning of the body, on one line. */
  readonly excerpt: string;
}

/** There was no answer. `sent`: the request, or part of it, may have arrived. */
export class UnansweredError extends BeatError {
  readonly sent: boolean;

  constructor(message: string, sent: boolean) {
    super(message);
    this.sent = sent;
  }
}

/** What is written to these may arrive. */
const connected = new WeakSet<Socket>();
const readAtMost = 1_024;
const shownAtMost = 200;

/** Rejects with UnansweredError, and with PrivateAddressError for an address that is not allowed. */
export async function send(wanted: WebRequest): Promise<Reply> {
  const { url, method, headers, body, signal, allowPrivate, secret, now, agent } = wanted;
  if (!allowPrivate) refusePrivate(url);
  const isSecure = url.protocol === "https:";
  let sent = false;
  try {
    signal.throwIfAborted();
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = (isSecure ? httpsRequest : httpRequest)(url, {
        method,
        headers: {
          ...headers,
          ...(body !== undefined && { "content-length": Buffer.byteLength(body) }),
          ...(secret !== undefined && { "beat-signature": signatureOf(body ?? "", secret, now) }),
        },
        signal,
        agent: agent ?? false,
        ...(!allowPrivate && { lookup: publicOnly }),
      });
      request.on("socket", (socket) => {
        if (connected.has(socket)) sent = true;
        else
          socket.once(isSecure ? "secureConnect" : "connect", () => {
            connected.add(socket);
            sent = true;
          });
      });
      request.on("response", resolve).on("error", reject).end(body);
    });
    const { statusCode = 0, headers: answered } = answer;
    return { status: statusCode, retryAfter: answered["retry-after"], excerpt: await beginningOf(answer) };
  } catch (error) {
    if (error instanceof PrivateAddressError) throw error;
    const what = sent ? "gave no answer" : "was not reached";
    throw new UnansweredError(`${url.host} ${what}: ${reasonOf(signal.aborted ? signal.reason : error)}`, sent);
  }
}

function signatureOf(body: string | Buffer, secret: string, now: number): string {
  const time = Math.floor(now / 1_000);
  return `t=${time},v1=${createHmac("sha256", secret).update(`${time}.`).update(body).digest("hex")}`;
}

/** What follows is read and thrown away where it is short, so that the connection can be kept; else the connection goes. */
async function beginningOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= readAtMost) break;
    }
  } catch {
    // The answer is known: what was to follow of its body does not matter.
  }
  const text = Buffer.concat(chunks).subarray(0, readAtMost).toString("utf8");
  return text
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .slice(0, shownAtMost);
}
