import { spawnSync } from "node:child_process";
import { celeryVenv } from "../servers/celery.ts";

const program = `
import base64, json, sys
from kombu.compression import decompress
for line in sys.stdin:
    header, body = json.loads(line)
    print(base64.b64encode(decompress(base64.b64decode(body), header)).decode())
`;

/** What kombu reads of compressed bodies; of bzip2 and lzma, with Python's own modules. */
export async function kombuDecompress(header: string, bodies: readonly Buffer[]): Promise<Buffer[]> {
  const input = bodies.map((body) => `${JSON.stringify([header, body.toString("base64")])}\n`).join("");
  const python = await celeryVenv("5.7.0");
  const { status, stdout, stderr } = spawnSync(python, ["-c", program], {
    input,
    maxBuffer: 1 << 26,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`kombu can't read this: ${stderr}`);
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => Buffer.from(line, "base64"));
}
