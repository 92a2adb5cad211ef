// An SQS of a test file's own: moto's server. It forgets everything with its end.

import { join } from "node:path";
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { freePorts, type OwnServer, serverFolder, startServer } from "./own-server.ts";
import { pythonVenv } from "./python.ts";

const program = join(import.meta.dirname, "moto_server.py");

export interface SqsServer extends OwnServer {
  readonly port: number;
  /** A connection of the test's own. */
  readonly client: SQSClient;
  /** The queue's URL. FIFO where its name says so. */
  create(name: string, attributes?: Readonly<Record<string, string>>): Promise<string>;
  /** What is in a queue, its groups' or its own order kept; it is empty after. */
  take(name: string): Promise<string[]>;
  /** How many messages a queue has, whether they can be received now, later, or are with somebody. */
  count(name: string): Promise<{ readonly ready: number; readonly delayed: number; readonly taken: number }>;
}

export async function startMoto(): Promise<SqsServer> {
  const python = await pythonVenv("moto");
  const [port] = await freePorts(1);
  const server = await startServer({
    name: "moto",
    folder: await serverFolder("moto"),
    command: [python, program, "-p", String(port)],
    answers: () =>
      fetch(`http://127.0.0.1:${port}/moto-api/data.json`).then(
        ({ ok }) => ok,
        () => false,
      ),
  });
  const client = new SQSClient({
    region: "us-east-1",
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  const urlOf = async (name: string) => (await client.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl!;
  return {
    ...server,
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
      await server.stop();
    },
  };
}
