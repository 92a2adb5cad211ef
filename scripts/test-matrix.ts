// Every broker with real workers of every minor version of Celery; test/fleets runs the oldest and the newest of them.
//   npm run test:matrix -- [--brokers "Redis,SQS"] [--versions 5.5.3,5.7.0] [--parallel 2] [--results docs/celery-compatibility.md]
// Ends with 1 where a worker did not run what it was sent, as it was written.

import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type MatrixBroker, matrixBrokers } from "../test/fleets/brokers.ts";
import { compressions, serializers } from "../test/fleets/cases.ts";
import { proveCell } from "../test/fleets/cell.ts";
import { allCeleryVersions, type CeleryVersion, celeryVenv } from "../test/servers/celery.ts";

interface Row {
  readonly broker: MatrixBroker;
  server: string;
  /** By version: undefined where all ran, else why it did not. */
  readonly cells: Map<CeleryVersion, { readonly kind: "ran" | "failed" | "unreadable"; readonly reason?: string }>;
}

const { values } = parseArgs({
  options: {
    brokers: { type: "string" },
    versions: { type: "string" },
    parallel: { type: "string", default: "2" },
    results: { type: "string" },
  },
});
const versions = chosen("versions", allCeleryVersions, (version) => version, values.versions);
const brokers = chosen("brokers", matrixBrokers, ({ name }) => name, values.brokers);

console.log(`Python environments with Celery ${versions.join(", ")}…`);
for (const version of versions) await celeryVenv(version);
const rows: readonly Row[] = brokers.map((broker) => ({ broker, server: "", cells: new Map() }));
const waiting = [...rows];
await Promise.all(
  Array.from({ length: Number(values.parallel) }, async () => {
    for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) await fill(row);
  }),
);
const failed = rows.flatMap(({ cells }) => [...cells.values()]).filter(({ kind }) => kind === "failed").length;
console.log(`\n${table()}`);
if (values.results !== undefined) await writeFile(values.results, document());
if (failed > 0) process.exitCode = 1;

function chosen<T>(
  option: string,
  all: readonly T[],
  nameOf: (one: T) => string,
  given: string | undefined,
): readonly T[] {
  if (given === undefined) return all;
  return given.split(",").map((name) => {
    const found = all.find((one) => nameOf(one) === name);
    if (found === undefined) throw new Error(`--${option}: there is no ${name}. Known: ${all.map(nameOf).join(", ")}.`);
    return found;
  });
}

async function fill(row: Row): Promise<void> {
  const { broker, cells } = row;
  const started = await broker.start();
  row.server = started.server;
  try {
    for (const version of versions) {
      const begunAt = performance.now();
      const reason = broker.unreadable?.(version);
      if (reason !== undefined) {
        cells.set(version, { kind: "unreadable", reason });
        continue;
      }
      try {
        await proveCell(version, await started.place(version));
        cells.set(version, { kind: "ran" });
      } catch (error) {
        cells.set(version, { kind: "failed", reason: (error as Error).message });
      }
      const { kind, reason: why = "" } = cells.get(version)!;
      const seconds = Math.round((performance.now() - begunAt) / 1_000);
      console.log(`${broker.name} (${row.server}), Celery ${version}: ${kind} in ${seconds} s${why && `\n${why}`}`);
    }
  } finally {
    await started.stop();
  }
}

/** Markdown. */
function table(): string {
  const reasons: string[] = [];
  const mark = (cell: ReturnType<Row["cells"]["get"]>) => {
    if (cell === undefined || cell.kind === "ran") return cell === undefined ? "" : "ran";
    if (cell.kind === "failed") return "**failed**";
    if (!reasons.includes(cell.reason!)) reasons.push(cell.reason!);
    return `no (${reasons.indexOf(cell.reason!) + 1})`;
  };
  const lines = rows.map(({ broker, server, cells }) =>
    [`| ${broker.name}`, server, ...versions.map((version) => mark(cells.get(version)))].join(" | ").concat(" |"),
  );
  return [
    `| Broker | Server | ${versions.map((version) => `Celery ${version}`).join(" | ")} |`,
    `|---|---|${versions.map(() => "---").join("|")}|`,
    ...lines,
    ...(reasons.length > 0 ? ["", ...reasons.map((reason, index) => `(${index + 1}) ${reason}.`)] : []),
  ].join("\n");
}

function document(): string {
  return `# Celery compatibility

Written by \`npm run test:matrix -- --results docs/celery-compatibility.md\`: each cell is a real worker of that version, which
ran all that Beat had sent over that broker, as it was written.

${table()}

In each cell, most of it sent before there was a worker:

- a task with hard values (texts, numbers, nested lists and maps) in every serializer (${serializers.join(", ")}) with every compression
  (${compressions.map((compression) => compression ?? "none").join(", ")}), with its headers and reprs; protocol 2, and 1;
- headers of the entry, limits, \`shadow\`, \`stamps\`, \`expires\`; a task that fails; templates of arguments;
- what expired before a worker came is not run; what has an eta is not run before it;
- \`link\`, \`link_error\`, a chain, a group and a chord, each with the results that the tasks hand on;
- priorities in the broker's order (RabbitMQ: high first; Redis: low first), and elsewhere the order of sending (SQS has none);
- each message ran once, and nothing was left in the queue.

The ordinary tests run the first and the last version (\`test/fleets\`). Signed messages, FIFO queues, exchanges, several hosts, TLS and
what goes wrong have tests of their own.
`;
}
