// What PostgreSQL's refusals mean, in sentences for an operator.

import { BrokerError, reasonOf } from "../core/errors.ts";
import { codeOf } from "./amqp-failure.ts";
import type { ConnectFailure } from "./kept-broker.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { tlsFailure } from "./tls.ts";

/** SQLSTATEs. */
export const codes = {
  alreadyThere: ["42P07", "42710", "23505"],
  foreignKey: "23503",
  noRights: "42501",
} as const;

/** Why a server takes no message now. By SQLSTATE. */
const serverReasons: Readonly<Record<string, string>> = {
  "25006": "is read-only (a replica, or default_transaction_read_only); Beat needs the primary",
  "53100": "has no space left on its disk",
  "53200": "has no memory left",
  "53300": "has no connection left (max_connections); close some, or raise its limit",
  "55P03": "could not have a lock in time (lock_timeout); another program holds the tables",
  "57014": "cancelled the statement (statement_timeout, or an administrator); another program may hold the tables",
  "57P01": "was shut down",
  "57P02": "crashed",
  "57P03": "is starting or shutting down",
  "40P01": "found a deadlock",
};
/** What only a human mends. */
const permanentReasons: Readonly<Record<string, (address: PostgresAddress, text: string) => string>> = {
  "28P01": ({ username }) => `refuses the user "${username ?? ""}": wrong user name or password`,
  "28000": ({ username }, text) => `does not let the user "${username ?? ""}" in: ${text}`,
  "3D000": (_, text) => `has no such database: ${text}`,
  "42501": ({ username, tables }, text) =>
    `does not give the user "${username ?? ""}" the rights it needs: ${text}. Let a worker make the tables, and GRANT SELECT, INSERT ON ${tables.queue}, ${tables.message} and USAGE ON SEQUENCE queue_id_sequence, message_id_sequence`,
  "42P10": (_, text) => `has tables that are not kombu's: ${text}`,
  "42804": (_, text) => `has tables that are not kombu's: ${text}`,
};

/** Why a statement was refused. */
export function statementFailure(error: unknown, address: PostgresAddress): ConnectFailure {
  const [text, code] = [reasonOf(error), codeOf(error)];
  const where = `PostgreSQL at ${address.at}`;
  const permanent = permanentReasons[code];
  if (permanent !== undefined) return { reason: `${where} ${permanent(address, text)}`, permanent: true };
  const reason = serverReasons[code];
  return {
    reason: reason === undefined ? `${where} answers: ${text}` : `${where} ${reason} (${text})`,
    permanent: false,
  };
}

/** Why a connection could not be made. */
export function connectFailure(error: unknown, address: PostgresAddress): ConnectFailure {
  const { at, host, username } = address;
  const temporary = (reason: string) => ({ reason, permanent: false });
  const permanent = (reason: string) => ({ reason, permanent: true });
  const [text, code] = [reasonOf(error), codeOf(error)];
  if (error instanceof BrokerError) return permanent(`PostgreSQL at ${at}: ${error.describe()}`);
  if (isReply(error)) return statementFailure(error, address);
  if (text.includes("SASL") || text.includes("password must be a string"))
    return permanent(`PostgreSQL at ${at} wants a password of the user "${username ?? ""}", and the URL has none`);
  if (isTlsMissing(error)) return permanent(`PostgreSQL at ${at} speaks no TLS, which sslmode asks for`);
  const untrusted = tlsFailure(code, text);
  if (untrusted !== undefined) return permanent(`PostgreSQL at ${at} ${untrusted}`);
  if (code === "ECONNREFUSED") return temporary(`nothing listens at ${at}`);
  if (code === "ENOENT") return temporary(`there is no PostgreSQL socket in ${host}`);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return temporary(`the host name of ${at} cannot be resolved`);
  if (code === "ETIMEDOUT" || text.includes("ETIMEDOUT")) return temporary(`no answer from ${at}`);
  if (text.includes("terminated unexpectedly") || code === "ECONNRESET")
    return temporary(
      `${at} ended the connection while it was being opened; check that PostgreSQL listens there, and lets this host in`,
    );
  return temporary(`no connection to ${at}: ${text}`);
}

/** The server has no TLS, and said so. */
export function isTlsMissing(error: unknown): boolean {
  return reasonOf(error) === "The server does not support SSL connections";
}

export function isCode(error: unknown, ...wanted: readonly string[]): boolean {
  return wanted.includes(codeOf(error));
}

/** Whether the server said it, rather than the connection failed. Only its errors have a severity. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && "severity" in error;
}
