// A CA of a test's own, and what it signs.

import { execFile } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Certificate {
  /** Paths of PEM files. */
  readonly certificate: string;
  readonly key: string;
}

const newKey = (path: string) => ["-newkey", "rsa:2048", "-nodes", "-keyout", path] as const;

/** Certificates of a CA that nobody knows, written to `folder`. */
export async function makeCa(
  folder: string,
  name = "ca",
  subject = `/CN=${name}`,
): Promise<Certificate & { sign(name: string, folder?: string): Promise<Certificate> }> {
  const pathOf = (of: string, at = folder) => ({ certificate: join(at, `${of}.pem`), key: join(at, `${of}.key`) });
  const ca = pathOf(name);
  const own = ["-utf8", "-subj", subject, "-days", "2", "-out", ca.certificate];
  await openssl("req", "-x509", ...newKey(ca.key), ...own);
  return {
    ...ca,
    /** For the host of that name. */
    async sign(of, at) {
      const { certificate, key } = pathOf(of, at);
      const request = join(folder, `${of}.csr`);
      const extensions = join(folder, `${of}.ext`);
      await openssl("req", ...newKey(key), "-out", request, "-subj", `/CN=${of}`);
      await writeFile(extensions, `subjectAltName=DNS:${of}\n`);
      const from = ["-CA", ca.certificate, "-CAkey", ca.key, "-CAcreateserial"];
      await openssl("x509", "-req", "-in", request, ...from, "-days", "2", "-extfile", extensions, "-out", certificate);
      await chmod(key, 0o600);
      return { certificate, key };
    },
  };
}

async function openssl(...args: readonly string[]): Promise<void> {
  await run("openssl", args).catch((error) => {
    throw new Error(`openssl failed; if it is not installed: apt-get install -y openssl\n${error.stderr ?? error}`);
  });
}
