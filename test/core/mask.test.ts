import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { maskUrl } from "../../src/core/mask.ts";

suite("passwords in text that looks like a URL", () => {
  const cases: readonly [string, string][] = [
    ["sqla+postgresql://u:pw@h/d?sslkey=k&sslpassword=pw", "sqla+postgresql://u:***@h/d?sslkey=k&sslpassword=***"],
    ["amqp://guest:guest@127.0.0.1:5672//", "amqp://guest:***@127.0.0.1:5672//"],
    ["amqp://u:p@ss:w/rd%@host:5672/v", "amqp://u:***@host:5672/v"],
    ["amqp://u:@host", "amqp://u:***@host"],
    ["redis://:secret@host/0", "redis://:***@host/0"],
    ["amqp://me@corp.example:pw@host/", "amqp://me@corp.example:***@host/"],
    ["amqp://u:p@[::1]:5672//", "amqp://u:***@[::1]:5672//"],
    ["connect to AMQPS://u:p%40@h failed: amqp://a:b@c", "connect to AMQPS://u:***@h failed: amqp://a:***@c"],
    ["sentinel://:pw1@h1:26379;sentinel://:pw2@h2:26379", "sentinel://:***@h1:26379;sentinel://:***@h2:26379"],
    ['{"url":"amqp://u:p@h//","mail":"x@y"}', '{"url":"amqp://u:***@h//","mail":"x@y"}'],
    ["('amqp://u:pw@h', 1)", "('amqp://u:***@h', 1)"],
    ["postgresql://h/db?user=u&password=s3cret&x=1", "postgresql://h/db?user=u&password=***&x=1"],
    ["https://h/?access_token=abc#top", "https://h/?access_token=***#top"],
    ["https://h/?key=a&x-sig=b&keys=c", "https://h/?key=***&x-sig=***&keys=c"],
    [
      "sqs://KEY:se/cr+et@?predefined_queues=%7B%22q%22%3A1%7D&region=r",
      "sqs://KEY:***@?predefined_queues=***&region=r",
    ],
    [
      'https://h {"secret_access_key": "x/y", "session_token":"z"}',
      'https://h {"secret_access_key": "***", "session_token":"***"}',
    ],
    ["sqs://KEY:s3cret is not an SQS URL", "sqs://KEY:*** is not an SQS URL"],
    ["amqp://beat://(#!(((@host:5672//", "amqp://beat:***@host:5672//"],
    ["redis://:12ab/0?x=1", "redis://:***/0?x=1"],
    ["a\tamqp://u:x@h\nb", "a\tamqp://u:***@h\nb"],
  ];
  for (const [text, masked] of cases) test(masked.trim(), () => assert.equal(maskUrl(text), masked));

  for (const text of [
    "",
    "plain",
    "a@b:c",
    "amqp://host:5672//",
    "amqp://user@host:5672/v",
    "http://[::1]:80/a:b, (redis://h:6379), amqp://h: nothing",
    "sentinel://a:1;b:2?sep=:x",
    "sqla+sqlite:////data/a@b.db",
    "://",
    "http://",
  ]) {
    test(`left as it is: ${text}`, () => assert.equal(maskUrl(text), text));
  }

  test("no password gets through", () => {
    const password = fc.stringMatching(/^[!#-&(-~]{6,20}$/).filter((text) => !text.includes("://"));
    fc.assert(
      fc.property(
        password,
        fc.constantFrom("", "at ", '{"a":"'),
        fc.constantFrom("", '"}', " now"),
        (secret, before, after) => {
          fc.pre(before === "" || !secret.includes('"'));
          const text = `${before}amqp://beat:${secret}@host:5672//${after}`;
          assert.equal(maskUrl(text), `${before}amqp://beat:***@host:5672//${after}`);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("takes linear time on hostile text", () => {
    for (const unit of ["a", "a://", "a:", "://:@", "?password=", "&", 'a://:@?token="']) {
      // Processor time: a busy machine is not a slow mask. What is not linear takes minutes.
      const before = process.cpuUsage();
      maskUrl(`x://${unit.repeat(200_000)}`);
      const { user, system } = process.cpuUsage(before);
      assert.ok(user + system < 10_000_000, unit);
    }
  });
});
