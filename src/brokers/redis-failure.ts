// What Redis's refusals mean, in sentences for an operator.

import { BrokerError, reasonOf } from "../core/errors.ts";
import { codeOf } from "./amqp-failure.ts";
import type { ConnectFailure } from "./kept-broker.ts";
import type { RedisAddress } from "./redis-address.ts";
import { tlsFailure } from "./tls.ts";

/** Why a server takes no message now, whatever its queue. By the first word of its reply. */
const serverReasons: Readonly<Record<string, string>> = {
  OOM: "has no memory left (maxmemory); workers that read make room, or raise its limit",
  READONLY: "is a read-only replica; Beat needs the master",
  LOADING: "is still loading its data",
  MISCONF: "takes no writes because it could not save to disk; its log says why",
  NOREPLICAS: "takes no writes because too few replicas follow it (min-replicas-to-write)",
  MASTERDOWN: "is a replica that has lost its master",
  CLUSTERDOWN: "is part of a Redis Cluster that is down",
  BUSY: "is busy with a script",
  NOAUTH: "wants a password; write redis://:password@host",
};

/** What is wrong with one list; the others go on. */
const listReasons: Readonly<Record<string, string>> = {
  WRONGTYPE: "is no list in Redis: another program uses this name",
  NOPERM: "may not be written to by this Redis user",
};
const isCluster = /^(MOVED|ASK|CROSSSLOT)\b/;
const clusterReason = "a node of a Redis Cluster, which Celery's workers cannot use as a broker";

export interface ReplyFailure {
  readonly concerns: "server" | "list";
  readonly reason: string;
}

/** Before Redis 7 an error within a script is told with this before it. */
const inScript = /^ERR Error running script .*?(?:@user_script: ?\d+: )+/;

/** Why a push was answered with an error. */
export function replyFailure(error: Error, queue: string, { at }: RedisAddress): ReplyFailure {
  const text = error.message.replace(inScript, "");
  const word = firstWord(text);
  if (isCluster.test(text))
    return { concerns: "list", reason: `queue "${queue}" is elsewhere: ${at} is ${clusterReason}` };
  const list = listReasons[word];
  if (list !== undefined) return { concerns: "list", reason: `queue "${queue}" ${list} (${text})` };
  return { concerns: "server", reason: serverReason(text, at) };
}

/** Why a connection could not be made. */
export function connectFailure(error: unknown, { at, target, username, database, tls }: RedisAddress): ConnectFailure {
  const temporary = (reason: string) => ({ reason, permanent: false });
  const permanent = (reason: string) => ({ reason, permanent: true });
  const text = reasonOf(error);
  const code = codeOf(error);
  const word = firstWord(text);
  if (error instanceof BrokerError) return permanent(error.describe());
  if (isReply(error)) {
    if (word === "WRONGPASS" || text.includes("invalid password"))
      return permanent(`Redis at ${at} refuses the user "${username || "default"}": wrong user name or password`);
    if (text.includes("without any password") || text.includes("no password is set"))
      return permanent(`Redis at ${at} has no password set; leave it out of the URL`);
    if (text.includes("DB index")) return permanent(`Redis at ${at} has no database ${database}`);
    if (isCluster.test(text)) return permanent(`${at} is ${clusterReason}`);
    if (word === "NOPERM")
      return permanent(`Redis at ${at} lets the user "${username || "default"}" not do this: ${text}`);
    const reason = serverReason(text, at);
    return word === "NOAUTH" ? permanent(reason) : temporary(reason);
  }
  if (text.includes("invalid reply: null") && "masterName" in target)
    return permanent(`no Sentinel knows a master named "${target.masterName}" (master_name)`);
  if (text.includes("All sentinels are unreachable"))
    return temporary(`no Sentinel answers for ${at}${lastErrorOf(text)}`);
  const untrusted = tlsFailure(code, text);
  if (untrusted !== undefined) return permanent(`Redis at ${at} ${untrusted}`);
  if (code === "ECONNREFUSED") return temporary(`nothing listens at ${at}`);
  if (code === "ENOENT") return temporary(`there is no socket ${at}`);
  if (code === "EACCES") return permanent(`this user may not open the socket ${at}`);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return temporary(`the host name of ${at} cannot be resolved`);
  if (code === "ETIMEDOUT" || text.includes("ETIMEDOUT"))
    return temporary(`no answer from ${at}${tls === undefined ? "" : "; check that it speaks TLS"}`);
  if (
    text === "Connection is closed." ||
    code === "ECONNRESET" ||
    code === "EPIPE" ||
    code.startsWith("ERR_SSL") ||
    text.startsWith("Unknown RESP")
  ) {
    const speaks = tls === undefined ? "does not want TLS (rediss://)" : "speaks TLS";
    return temporary(
      `${at} ended the connection while it was being opened; check that Redis listens there and ${speaks}`,
    );
  }
  return temporary(`no connection to ${at}: ${text}`);
}

function serverReason(text: string, at: string): string {
  const reason = serverReasons[firstWord(text)];
  return reason === undefined ? `Redis at ${at} answers: ${text}` : `Redis at ${at} ${reason}`;
}

/** Whether the server said it, rather than the connection failed. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

export function firstWord(text: string): string {
  return /^[A-Z]*/.exec(text)![0];
}

/** What the last Sentinel said, where it said something. */
function lastErrorOf(text: string): string {
  const last = /Last error: (.*)$/s.exec(text)?.[1];
  return last === undefined || last === "Connection is closed." ? "" : `: ${last}`;
}
