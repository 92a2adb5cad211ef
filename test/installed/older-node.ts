// A Node that is too old for Beat: the machine's own, where it is one, else one that says so of itself.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { systemEnvironment } from "../e2e/running.ts";

const run = promisify(execFile);
const pretence =
  'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.19.0"}})';

/** What it leaves when it is given these arguments. Rejects where it succeeds. */
export async function failureOnOlderNode(args: readonly string[], cwd?: string) {
  const env = systemEnvironment();
  const version = (await run("node", ["-p", "process.versions.node"], { env })).stdout;
  const isOlder = Number.parseInt(version, 10) < 24;
  const [node, given] = isOlder ? ["node", args] : [process.execPath, ["--import", pretence, ...args]];
  return run(node, [...given], { env, ...(cwd !== undefined && { cwd }) }).then(
    () => Promise.reject(new Error(`it ran on Node ${isOlder ? version : "20.19.0"}`)),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}
