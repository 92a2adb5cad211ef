// Reminders in a web server: they are kept in a file, so that a restart loses none. What fell due meanwhile is told at the
// next start. In a project of yours: from "beatd".
//
//   node web-reminders.ts [FILE] [PORT]
//   curl -d '{"text": "tea", "at": "2027-01-01T16:00Z"}' localhost:8080/reminders

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { BeatError, Scheduler, sqlite, UsageError } from "../src/index.ts";

const [file = "reminders.sqlite", port = "8080"] = process.argv.slice(2);

await using scheduler = new Scheduler({ store: sqlite(file) });
const remind = scheduler.job("remind", ({ text }: { text: string }, { lateMs }) => {
  console.log(`reminder: ${text}${lateMs > 1_000 ? " (late: nobody was here)" : ""}`);
});

async function answer(request: IncomingMessage): Promise<unknown> {
  if (request.method === "POST") {
    const { text: what, at } = JSON.parse(await text(request)) as { text: string; at: string };
    if (new Date(at) < new Date()) throw new UsageError(`${at} is over already`, { remedy: "Give a time to come." });
    // Named after its text: asking again changes the one that is there.
    const reminder = await remind.at(at, { text: what }, { name: `reminder: ${what}` });
    return { added: reminder.name };
  }
  const entries = await scheduler.list();
  return entries.map(({ name, nextFireAt }) => ({ name, next: nextFireAt === null ? null : new Date(nextFireAt) }));
}

const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
  try {
    response.end(JSON.stringify(await answer(request)));
  } catch (error) {
    response.statusCode = error instanceof BeatError || error instanceof SyntaxError ? 400 : 500;
    response.end(error instanceof Error ? error.message : String(error));
  }
});
server.listen(Number(port), () => console.log(`http://localhost:${(server.address() as AddressInfo).port}/reminders`));

await scheduler.run(); // until SIGINT or SIGTERM
server.close();
