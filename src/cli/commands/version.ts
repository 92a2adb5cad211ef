import { readFileSync } from "node:fs";
import { type Command, flags, type JsonFlag, jsonFlag } from "../command.ts";
import { print, printJson } from "../output.ts";

export const version: Command<JsonFlag> = {
  command: "version",
  describe: "The versions of Beat, of Node and of its time-zone data",
  builder: flags(jsonFlag),
  async run({ json }) {
    const versions = {
      beat: packageVersion(),
      node: process.versions.node,
      time_zone_data: process.versions["tz"] ?? "unknown",
    };
    if (json) printJson(versions);
    else print(`beat ${versions.beat}, Node ${versions.node}, time-zone data ${versions.time_zone_data}`);
    return 0;
  },
};

export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}
