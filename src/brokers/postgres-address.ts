// A PostgreSQL URL, read the way that SQLAlchemy and libpq read it. What Celery has in `broker_transport_options` stands in
// its query, under the same names.

import type { ConnectionOptions } from "node:tls";
import { BrokerError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import { secondMs } from "../core/time.ts";
import { type TableNames, tableNamesOf, tableParameters } from "./kombu-rows.ts";
import { readNamedFile } from "./tls.ts";
import { checkParameters, choiceOf, hostAndPort, secondsOf, unescaped } from "./url-text.ts";

export interface PostgresAddress {
  /** For people: `host:port/database`. */
  readonly at: string;
  /** A folder that begins with / holds the server's Unix socket. */
  readonly host: string;
  readonly port: number;
  /** Undefined where libpq's own sources say it: PGUSER, PGPASSWORD, ~/.pgpass. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Read at each connection; it takes the place of `password`. */
  readonly passwordFile: string | undefined;
  /** Undefined: the one that is named like the user. */
  readonly database: string | undefined;
  readonly tls: PostgresTls;
  readonly connectTimeoutMs: number;
  readonly applicationName: string;
  /** Given to the server as it is: `-csearch_path=celery`. */
  readonly options: string | undefined;
  readonly tables: TableNames;
  /** What a worker is started with: without what is Beat's own, and the password masked. */
  readonly workerUrl: string;
}

export interface PostgresTls {
  /** `prefer`: where the server has it. */
  readonly use: "never" | "prefer" | "always";
  /** Reads the files that the URL names; throws BrokerError where that can't be done. */
  options(): ConnectionOptions;
}

const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
const own = [...tableParameters, "password_file"];
const parameters: readonly string[] = [
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "sslpassword",
  "host",
  "port",
  "connect_timeout",
  "application_name",
  "options",
  ...own,
];
/** libpq's that a worker may need and that change nothing here. */
const ignored: readonly string[] = [
  "client_encoding",
  "channel_binding",
  "gssencmode",
  "keepalives",
  "keepalives_count",
  "keepalives_idle",
  "keepalives_interval",
  "target_session_attrs",
  "tcp_user_timeout",
];
/** SQLAlchemy's names of drivers may follow; they are the workers' matter. */
const scheme = /^(?:sqla|sqlalchemy|db)\+postgresql(?<driver>\+[a-z0-9_]+)?:\/\//i;

/** Throws BrokerError, without the password, for a URL that is none. */
export function parsePostgresUrl(url: string): PostgresAddress {
  const driver = scheme.exec(url)?.groups?.["driver"] ?? "";
  // URL has no empty host beside a user or a port; libpq would look for a socket, and localhost is the same server.
  const rest = url.replace(scheme, "").replace(/^([^/?#]*@|)(?=[:/?]|$)/, "$1localhost");
  const parsed = URL.canParse(`postgresql://${rest}`) ? new URL(`postgresql://${rest}`) : undefined;
  // A password with one of these characters unescaped would be taken for a host and its port.
  if (parsed === undefined || parsed.hash !== "" || `${parsed.pathname}${parsed.search}`.includes("@"))
    throw new BrokerError(`${maskUrl(url)} is not a PostgreSQL URL`, {
      remedy:
        "Write sqla+postgresql://user:password@host:5432/database. In the password, write / as %2F, # as %23, ? as %3F and @ as %40.",
    });
  const query = new Map(parsed.searchParams);
  checkParameters(
    [...query.keys()].filter((name) => !ignored.includes(name)),
    parameters,
    url,
  );
  const text = (name: string) => query.get(name) || undefined;
  const path = unescaped(parsed.pathname.slice(1));
  const host = text("host") ?? unescaped(parsed.hostname).replace(/^\[|\]$/g, "");
  const port = Number(text("port") ?? (parsed.port || "5432"));
  if (host.includes(",") || !(port > 0 && port < 65_536))
    throw new BrokerError(`${maskUrl(url)} names several hosts, or no port`, { remedy: "Name the primary's." });
  const timeout = text("connect_timeout");
  for (const name of own) parsed.searchParams.delete(name);
  return {
    at: `${hostAndPort(host, port)}${path && `/${path}`}`,
    host,
    port,
    username: unescaped(parsed.username) || undefined,
    password: unescaped(parsed.password) || undefined,
    passwordFile: text("password_file"),
    database: path || undefined,
    tls: tlsOf(query, host, url),
    connectTimeoutMs: Math.max(1, timeout === undefined ? 5 : secondsOf("connect_timeout", timeout, url)) * secondMs,
    applicationName: text("application_name") ?? "beat",
    options: text("options"),
    tables: tableNamesOf(query),
    workerUrl: maskUrl(parsed.href.replace("postgresql://", `sqla+postgresql${driver}://`)),
  };
}

/** libpq's modes: only verify-full asks whether the certificate is this host's, and only it and verify-ca who signed it. */
function tlsOf(query: ReadonlyMap<string, string>, host: string, url: string): PostgresTls {
  const mode = choiceOf("sslmode", query, sslModes, url) ?? "prefer";
  const [rootPath, certPath, keyPath] = ["sslrootcert", "sslcert", "sslkey"].map((name) => query.get(name));
  const isVerified = mode.startsWith("verify") || (mode === "require" && rootPath !== undefined);
  const use =
    mode === "disable" || host.startsWith("/") ? "never" : /^(allow|prefer)$/.test(mode) ? "prefer" : "always";
  return {
    use,
    options() {
      const ca = rootPath === undefined || rootPath === "system" ? undefined : readNamedFile("sslrootcert", rootPath);
      const cert = certPath === undefined ? undefined : readNamedFile("sslcert", certPath);
      const key = keyPath === undefined ? cert : readNamedFile("sslkey", keyPath);
      const passphrase = query.get("sslpassword");
      return {
        rejectUnauthorized: isVerified,
        ...(mode !== "verify-full" && { checkServerIdentity: () => undefined }),
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key }),
        ...(passphrase !== undefined && { passphrase }),
      };
    },
  };
}
