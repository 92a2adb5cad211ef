// The versions of what runs here.

import { readFileSync } from "node:fs";

export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}

export function versions(): { readonly beat: string; readonly node: string; readonly time_zone_data: string } {
  return {
    beat: packageVersion(),
    node: process.versions.node,
    time_zone_data: process.versions["tz"] ?? "unknown",
  };
}
