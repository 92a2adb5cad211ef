import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { connectBroker } from "../../src/brokers/connect.ts";
import { parseSqsUrl, sqsNameOf } from "../../src/brokers/sqs-address.ts";
import { sqsEntryOf } from "../../src/brokers/sqs-entry.ts";
import { BrokerError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/index.ts";
import { systemClock } from "../../src/system-clock.ts";
import { messageTo } from "../contract/broker-contract.ts";

const none = { endpoint: undefined, region: undefined, credentials: undefined };

suite("SQS URLs are read like kombu reads them", () => {
  const cases: readonly [string, object][] = [
    ["sqs://", { ...none, at: "SQS", queueNamePrefix: "", isBase64: true, visibilityTimeout: 1800, creates: false }],
    ["SQS://key:a%2Fb%2Bc@", { ...none, credentials: { accessKeyId: "key", secretAccessKey: "a/b+c" } }],
    ["sqs://localhost:4566", { ...none, at: "localhost:4566", endpoint: "http://localhost:4566" }],
    ["sqs://key:s@[::1]:4566/", { endpoint: "http://[::1]:4566" }],
    ["sqs://h?is_secure=true&region=eu-west-1", { endpoint: "https://h", region: "eu-west-1" }],
    ["sqs://k:s@sqs.eu-west-1.amazonaws.com", { endpoint: "https://sqs.eu-west-1.amazonaws.com" }],
    ["sqs://?endpoint_url=https://vpce.example/x", { endpoint: "https://vpce.example/x", at: "vpce.example" }],
    ["sqs://k:s@?session_token=t", { credentials: { accessKeyId: "k", secretAccessKey: "s", sessionToken: "t" } }],
    [
      "sqs://?sqs_base64_encoding=false&declare=create&visibility_timeout=60",
      { isBase64: false, creates: true, visibilityTimeout: 60 },
    ],
  ];
  for (const [url, parts] of cases) test(url, () => assert.partialDeepStrictEqual(parseSqsUrl(url), parts));

  test("predefined queues, with what each has of its own", () => {
    const settings = {
      a: { url: "https://sqs.eu-west-1.amazonaws.com/1/a", backoff_tasks: ["t"] },
      "b.fifo": { url: "https://h/1/b.fifo", region: "r", access_key_id: "k", secret_access_key: "s" },
    };
    const { predefinedQueues } = parseSqsUrl(
      `sqs://?predefined_queues=${encodeURIComponent(JSON.stringify(settings))}`,
    );
    assert.deepEqual(Object.fromEntries(predefinedQueues), {
      a: { url: settings.a.url, access: { ...none, region: "eu-west-1" } },
      "b.fifo": {
        url: "https://h/1/b.fifo",
        access: { ...none, region: "r", credentials: { accessKeyId: "k", secretAccessKey: "s" } },
      },
    });
  });

  const refused: readonly [string, RegExp, RegExp][] = [
    ["sqs://key:s3/cret@", /sqs:\/\/key:\*\*\*@ is not an SQS URL/, /%2F/],
    ["sqs://key@", /is not an SQS URL/, /sqs:\/\/key:secret@/],
    ["sqs://key:s3cret@h:port", /is not an SQS URL/, /host:port/],
    ["sqs://h/123/queue", /is not an SQS URL/, /predefined_queues/],
    ["sqs://k:s3cret@?regoin=x", /unknown parameter "regoin"/, /Did you mean "region"\?/],
    ["sqs://?endpoint_url=localhost", /endpoint_url=localhost .* is not a URL/, /http:\/\/localhost:4566/],
    ["sqs://?is_secure=1", /is_secure=1/, /true, false/],
    ["sqs://?visibility_timeout=1h", /not a number of seconds/, /whole number/],
    ["sqs://?predefined_queues=x", /is not JSON/, /Celery's map/],
    ["sqs://?predefined_queues=[]", /is not a map/, /Celery's map/],
    ['sqs://?predefined_queues={"q":{}}', /has no url for "q"/, /Celery's map/],
    ['sqs://?predefined_queues={"q":{"url":"x"}}', /has a url of "q" that is none/, /Celery's map/],
    ['sqs://?predefined_queues={"q.fifo":{"url":"https://h/1/q"}}', /both end with \.fifo: "q\.fifo"/, /Celery's map/],
    ['sqs://?predefined_queues={"q":{"url":"https://h/1/q","access_key_id":"k"}}', /and not both/, /Celery's map/],
  ];
  for (const [url, message, remedy] of refused) {
    test(url, () => {
      assert.throws(
        () => parseSqsUrl(url),
        (error) => {
          assert.ok(error instanceof BrokerError);
          assert.match(error.message, message);
          assert.match(error.remedy ?? "", remedy);
          assert.doesNotMatch(error.describe(), /s3\/?cret/);
          return true;
        },
      );
    });
  }
});

test("a URL leads to its broker, with its secret masked", async () => {
  const options = { clock: systemClock, log: silentLog, declareQueues: false, defaultQueue: "celery" };
  assert.equal((await connectBroker("sqs://key:s3cret@h:1?region=r", options)).url, "sqs://key:***@h:1?region=r");
});

test("a queue's name in SQS is kombu's", () => {
  const name = (queue: string, queueNamePrefix = "") => sqsNameOf(queue, { queueNamePrefix });
  assert.equal(name("a.b:c"), "a-b_c");
  assert.equal(name("a.b-c_d.fifo", "x."), "x-a-b-c_d.fifo");
  assert.equal(name("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), `${"_".repeat(12)}--${"_".repeat(18)}`);
});

suite("what is asked of SQS beside the body", () => {
  const entry = (queue: string, eta: string | null, now = 0) => {
    const message = messageTo(queue);
    const { MessageBody: _, ...rest } = sqsEntryOf({ ...message, headers: { ...message.headers, eta } }, true, now) as {
      MessageBody: string;
    };
    return rest;
  };
  test("an eta is waited for in SQS, whole seconds and a quarter of an hour at most", () => {
    assert.deepEqual(entry("q", null), {});
    assert.deepEqual(entry("q", "1970-01-01T00:00:00.900000+00:00"), {});
    assert.deepEqual(entry("q", "1970-01-01T00:00:10.900000+00:00"), { DelaySeconds: 10 });
    assert.deepEqual(entry("q", "1970-01-01T01:00:00+00:00"), { DelaySeconds: 900 });
    assert.deepEqual(entry("q", "1970-01-01T01:00:00+00:00", 4e6), {});
  });
  test("in a FIFO queue it is not: there is a delay of the queue only", () => {
    assert.equal("DelaySeconds" in entry("q.fifo", "1970-01-01T01:00:00+00:00"), false);
  });
  test("the group, in a standard queue too, for a fair share", () => {
    const properties = { MessageGroupId: "tenant" };
    for (const queue of ["q", "q.fifo"])
      assert.partialDeepStrictEqual(sqsEntryOf(messageTo(queue, { properties }), true, 0), properties);
  });
});
