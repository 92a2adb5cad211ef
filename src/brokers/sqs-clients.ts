// The SDK's clients, one for each access, and the URLs of queues. A URL is asked for once for each queue.

import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  type SendMessageBatchResult,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { isFifo, type SqsAccess, type SqsAddress, sqsNameOf } from "./sqs-address.ts";
import { sqsFailure } from "./sqs-failure.ts";

interface Target {
  readonly client: SQSClient;
  readonly queueUrl: string;
}

/** A queue that can't be addressed. `isFinal`: it never will be. */
export class SqsQueueError extends Error {
  readonly isFinal: boolean;

  constructor(message: string, isFinal: boolean) {
    super(message);
    this.isFinal = isFinal;
  }
}

const defaultRegion = "us-east-1";
const connectLimitMs = 5_000;
/** SQS's rule. */
const isName = /^[\w-]{1,80}$|^(?=.{1,80}$)[\w-]+\.fifo$/;

export class SqsClients {
  readonly #address: SqsAddress;
  readonly #creates: boolean;
  readonly #clients = new Map<string, Promise<SQSClient>>();
  readonly #targets = new Map<string, Promise<Target>>();

  /** `creates`: queues that are missing. */
  constructor(address: SqsAddress, creates: boolean) {
    this.#address = address;
    this.#creates = creates;
  }

  /** Rejects with the SDK's error, or SqsQueueError. */
  async send(
    queue: string,
    entries: SendMessageBatchRequestEntry[],
    abortSignal: AbortSignal,
  ): Promise<SendMessageBatchResult> {
    const target = await this.#targetOf(queue, abortSignal);
    try {
      const command = new SendMessageBatchCommand({ QueueUrl: target.queueUrl, Entries: entries });
      return await target.client.send(command, { abortSignal });
    } catch (error) {
      if (isMissing(error)) this.#targets.delete(queue); // It may be made anew.
      throw error;
    }
  }

  /** Resolves where SQS answers to any access, whatever it says of `queue`. Else rejects with the SDK's error. */
  async probe(queue: string, abortSignal: AbortSignal): Promise<void> {
    const { predefinedQueues } = this.#address;
    const probes: Promise<unknown>[] = [...predefinedQueues.values()].map(async ({ url, access }) =>
      (await this.#clientOf(access)).send(new GetQueueAttributesCommand({ QueueUrl: url }), { abortSignal }),
    );
    if (predefinedQueues.size === 0) {
      const name = sqsNameOf(queue, this.#address);
      probes.push(lookUp(await this.#clientOf(this.#address), isName.test(name) ? name : "celery", abortSignal));
    }
    const results = await Promise.allSettled(probes);
    const errors = results.map((result) => (result.status === "rejected" ? result.reason : undefined));
    const isReached = (error: unknown) =>
      error === undefined || ["queue", "request"].includes(sqsFailure(error, queue, this.#address.at).concerns);
    if (!errors.some(isReached)) throw errors[0];
  }

  /** Ends every connection. */
  destroy(): void {
    for (const client of this.#clients.values()) void client.then((each) => each.destroy());
  }

  #clientOf(access: SqsAccess): Promise<SQSClient> {
    const key = JSON.stringify(access);
    const client = this.#clients.get(key) ?? clientFor(access);
    this.#clients.set(key, client);
    return client;
  }

  #targetOf(queue: string, abortSignal: AbortSignal): Promise<Target> {
    const known = this.#targets.get(queue);
    if (known !== undefined) return known;
    const target = this.#find(queue, abortSignal);
    this.#targets.set(queue, target);
    target.catch(() => this.#targets.delete(queue));
    return target;
  }

  async #find(queue: string, abortSignal: AbortSignal): Promise<Target> {
    const name = sqsNameOf(queue, this.#address);
    const { predefinedQueues } = this.#address;
    if (predefinedQueues.size > 0) {
      const predefined = predefinedQueues.get(name) ?? predefinedQueues.get(queue);
      if (predefined === undefined) throw new SqsQueueError(`queue "${queue}" is not in predefined_queues`, false);
      return { client: await this.#clientOf(predefined.access), queueUrl: predefined.url };
    }
    if (!isName.test(name)) {
      throw new SqsQueueError(
        `"${name}" cannot be the name of a queue in SQS: it takes at most 80 letters, digits, - and _`,
        true,
      );
    }
    const client = await this.#clientOf(this.#address);
    try {
      return { client, queueUrl: await lookUp(client, name, abortSignal) };
    } catch (error) {
      if (!isMissing(error) || !this.#creates) throw error;
      const Attributes = {
        VisibilityTimeout: String(this.#address.visibilityTimeout),
        ...(isFifo(name) && { FifoQueue: "true" }),
      };
      const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes }), { abortSignal });
      return { client, queueUrl: QueueUrl! };
    }
  }
}

async function lookUp(client: SQSClient, name: string, abortSignal: AbortSignal): Promise<string> {
  const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: name }), { abortSignal });
  return QueueUrl!;
}

const isMissing = (error: unknown) => (error as Error).name === "QueueDoesNotExist";

/** Without one, the SDK writes to the console, which is somebody else's. */
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** Nothing is tried twice behind our back; and where an endpoint is given, requests go there, whatever the queue's URL. */
async function clientFor({ endpoint, region, credentials }: SqsAccess): Promise<SQSClient> {
  const { env } = process;
  return new SQSClient({
    region: region ?? env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? (await profileRegion()),
    maxAttempts: 1,
    logger: quiet,
    requestHandler: { connectionTimeout: connectLimitMs },
    ...(credentials && { credentials }),
    ...(endpoint !== undefined && { endpoint, useQueueUrlAsEndpoint: false }),
  });
}

/** What ~/.aws/config says. */
async function profileRegion(): Promise<string> {
  const client = new SQSClient({});
  try {
    return await client.config.region();
  } catch {
    return defaultRegion;
  } finally {
    client.destroy();
  }
}
