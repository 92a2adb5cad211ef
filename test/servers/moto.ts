// An SQS of a test file's own: moto's server, on a free port. Like the other servers it lives with a shell that waits for
// the test process, and is killed when that one ends, in whatever way. It forgets everything with its end.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { pythonVenv } from "./python.ts";
import { freePorts } from "./rabbitmq.ts";

const program = join(import.meta.dirname, "moto_server.py");
const startLimitMs = 60_000;
const supervisor = `
"$@" </dev/null & server=$!
read -r word
kill -KILL $server
wait
`;

export interface SqsServer {
  readonly port: number;
  /** A connection of the test's own. */
  readonly client: SQSClient;
  /** The queue's URL. FIFO where its name says so. */
  create(name: string, attributes?: Readonly<Record<string, string>>): Promise<string>;
  /** What is in a queue, its groups' or its own order kept; it is empty after. */
  take(name: string): Promise<string[]>;
  /** How many messages a queue has, whether they can be received now, later, or are with somebody. */
  count(name: string): Promise<{ readonly ready: number; readonly delayed: number; readonly taken: number }>;
  stop(): Promise<void>;
}

export async function startMoto(): Promise<SqsServer> {
  const python = await pythonVenv("moto");
  const [port] = await freePorts(1);
  const shell = spawn("/bin/sh", ["-c", supervisor, "sh", python, program, "-p", String(port)], {
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  let log = "";
  shell.stderr.on("data", (text) => (log = (log + text).slice(-100_000)));
  for (const handle of [shell, shell.stdin, shell.stderr]) (handle as { unref?: () => void }).unref?.();
  const client = new SQSClient({
    region: "us-east-1",
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  const urlOf = async (name: string) => (await client.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl!;
  const giveUpAt = performance.now() + startLimitMs;
  while (
    !(await fetch(`http://127.0.0.1:${port}/moto-api/data.json`).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (shell.exitCode !== null || performance.now() > giveUpAt) throw new Error(`moto did not start.\n${log}`);
    await sleep(50);
  }
  return {
    port: port!,
    client,
    async create(name, attributes = {}) {
      const fifo = name.endsWith(".fifo") ? { FifoQueue: "true" } : {};
      const { QueueUrl } = await client.send(
        new CreateQueueCommand({ QueueName: name, Attributes: { ...fifo, ...attributes } }),
      );
      return QueueUrl!;
    },
    async take(name) {
      const QueueUrl = await urlOf(name);
      const bodies: string[] = [];
      while (true) {
        const receive = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 });
        const { Messages = [] } = await client.send(receive);
        if (Messages.length === 0) return bodies;
        bodies.push(...Messages.map(({ Body }) => Body!));
        const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
        await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
      }
    },
    async count(name) {
      const { Attributes = {} } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl: await urlOf(name), AttributeNames: ["All"] }),
      );
      const of = (which: string) => Number(Attributes[`ApproximateNumberOfMessages${which}` as "All"]);
      return { ready: of(""), delayed: of("Delayed"), taken: of("NotVisible") };
    },
    async stop() {
      client.destroy();
      if (shell.exitCode !== null) return;
      const ended = new Promise((resolve) => shell.once("exit", resolve));
      shell.ref();
      shell.stdin.end("stop\n");
      await ended;
    },
  };
}
