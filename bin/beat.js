#!/usr/bin/env node
// Plain and old-fashioned on purpose: it must run, and say what is missing, on any Node.

const [major] = process.versions.node.split(".");
if (Number(major) < 24) {
  console.error(
    `beat needs Node 24 or newer, and this is Node ${process.versions.node}: install a newer Node, or, in a clone of the repository, run it as "npx beat" or "npm start", which bring their own.`,
  );
  process.exit(1);
}

// A reader that has seen enough (`| head`) is no failure; a full disk is one. `start` goes on, and says so in its log.
process.stdout.on("error", (error) => {
  if (error.code === "EPIPE" || process.argv[2] === "start") return;
  console.error(`beat: the output can't be written: ${error.message}`);
  process.exit(1);
});
const { existsSync } = await import("node:fs");
// A clone runs its sources; the published package has none and runs what was built from them.
const sources = new URL("../src/cli/main.ts", import.meta.url);
const { main } = await import(
  existsSync(sources) ? sources.href : new URL("../dist/cli/main.js", import.meta.url).href
);
process.exitCode = await main(process.argv.slice(2));
// A scheduler that has stopped ends, though nobody reads its log or something stands still for ever. Other commands wait for
// whoever reads their output.
if (process.argv[2] === "start") setTimeout(() => process.exit(), 2_000).unref();
