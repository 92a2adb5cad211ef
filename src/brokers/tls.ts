// TLS as the URLs of brokers ask for it: kombu's words for it, `ssl_` before each.

import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { BrokerError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";

export type TlsOptions = Pick<
  ConnectionOptions,
  "rejectUnauthorized" | "ca" | "cert" | "key" | "servername" | "checkServerIdentity"
>;

export const tlsParameters: readonly string[] = [
  "ssl_cert_reqs",
  "ssl_ca_certs",
  "ssl_certfile",
  "ssl_keyfile",
  "ssl_check_hostname",
  "ssl_server_hostname",
];

/** Certificates are verified unless the URL says otherwise. What is returned reads the files that it names, anew each time, and throws BrokerError where it can't. */
export function tlsOf(query: ReadonlyMap<string, string>, url: string): () => TlsOptions {
  const required = query.get("ssl_cert_reqs") ?? "required";
  if (!/^(CERT_)?(required|optional|none)$/i.test(required)) {
    throw new BrokerError(`ssl_cert_reqs=${required} in ${maskUrl(url)} is not known`, {
      remedy: "Write required (the default), optional or none.",
    });
  }
  const file = (name: string) => {
    const path = query.get(name);
    return path === undefined ? undefined : readNamedFile(name, path);
  };
  const servername = query.get("ssl_server_hostname");
  return () => {
    const [ca, cert, key] = [file("ssl_ca_certs"), file("ssl_certfile"), file("ssl_keyfile")];
    return {
      rejectUnauthorized: !/none$/i.test(required),
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key ? { key } : cert && { key: cert }),
      ...(servername && { servername }),
      ...(/^false$/i.test(query.get("ssl_check_hostname") ?? "") && { checkServerIdentity: () => undefined }),
    };
  };
}

/** What a server does that one of the two sides does not trust; undefined: the failure has another reason. */
export function tlsFailure(code: string, text: string): string | undefined {
  if (/^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)/.test(code)) {
    const alert = /:SSL routines:[^:]*:([^:]+):/.exec(text)?.[1] ?? text;
    return `does not accept this client's TLS certificate (${alert}); give one that it knows by ssl_certfile and ssl_keyfile`;
  }
  const reason = `shows a TLS certificate that cannot be verified: ${text.replace(/; if the root CA .*$/s, "")}`;
  if (/SELF_SIGNED|ISSUER|VERIFY/.test(code)) return `${reason}; name the CA that signed it by ssl_ca_certs`;
  return code.includes("CERT") ? reason : undefined;
}

/** The content of a file that the parameter `name` of a URL names. Throws BrokerError. */
export function readNamedFile(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new BrokerError(`the file that ${name} names cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** The password in a file, without the line end that editors leave. Throws BrokerError. */
export function passwordIn(path: string): string {
  return readNamedFile("password_file", path)
    .toString()
    .replace(/\r?\n$/, "");
}
