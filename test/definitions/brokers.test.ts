import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { brokerProblem, brokerUrl } from "../../src/brokers/broker-url.ts";
import { parseSqsUrl } from "../../src/brokers/sqs-address.ts";
import { loadScheduleFiles, parseScheduleFile } from "../../src/definitions/parse.ts";

const parse = (text: string) => {
  const { brokers, problems } = parseScheduleFile(`${text}\nschedules: {}\n`, "f.yaml");
  return { brokers, problems: problems.map((problem) => problem.describe()) };
};

test("a broker is a URL, or a map of where the URL is and of options in its query", async () => {
  const { brokers, problems } = parse(`brokers:
  shop: amqp://shop//
  mail:
    url_env: MAIL_BROKER
    max_rate: 100
    task_default_queue: mails
    global_keyprefix: "mail:"
    priority_steps: [0, 5]
    ssl_check_hostname: false`);
  assert.deepEqual(problems, []);
  assert.deepEqual([...brokers.keys()], ["shop", "mail"]);
  const { maxRate, defaultQueue, place } = brokers.get("mail")!;
  assert.deepEqual([maxRate, defaultQueue], [100, "mails"]);
  assert.deepEqual(place, { file: "f.yaml", line: 3, column: 3, field: "brokers.mail" });
  assert.equal(await brokerUrl(brokers.get("shop")!, {}), "amqp://shop//");
  assert.equal(
    await brokerUrl(brokers.get("mail")!, { MAIL_BROKER: "redis://cache/0?sep=." }),
    "redis://cache/0?sep=.&global_keyprefix=mail%3A&priority_steps=0%2C5&ssl_check_hostname=false",
  );
});

test("of several hosts each may have a query: options are added to the last one's", async () => {
  const { brokers } = parse(`brokers:
  shop: {url: "amqp://a//?heartbeat=5;amqp://b//", declare: create}
  mail: {url: "sentinel://a;b?master_name=m", global_keyprefix: x}`);
  assert.equal(await brokerUrl(brokers.get("shop")!, {}), "amqp://a//?heartbeat=5;amqp://b//?declare=create");
  assert.equal(await brokerUrl(brokers.get("mail")!, {}), "sentinel://a;b?master_name=m&global_keyprefix=x");
});

test("an option that is a map is JSON in the query: SQS's predefined queues", async () => {
  const { brokers, problems } = parse(`brokers:
  cloud:
    url: sqs://
    region: eu-west-1
    predefined_queues:
      mails: {url: "https://sqs.eu-west-1.amazonaws.com/1/mails"}`);
  assert.deepEqual(problems, []);
  const address = parseSqsUrl(await brokerUrl(brokers.get("cloud")!, {}));
  assert.equal(address.region, "eu-west-1");
  assert.equal(address.predefinedQueues.get("mails")?.url, "https://sqs.eu-west-1.amazonaws.com/1/mails");
});

test("a URL is read from a file, and its absence is told with the place, without what is there", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "brokers-"));
  const file = path.join(folder, "url");
  try {
    await writeFile(file, "redis://:secret@cache/0\n");
    const of = (value: string) => brokerUrl(parse(`brokers: {mail: ${value}}`).brokers.get("mail")!, {});
    assert.equal(await of(`{url_file: ${file}}`), "redis://:secret@cache/0");
    const place = { file: "f.yaml", line: 1, column: 18 };
    await assert.rejects(of(`{url_file: ${file}.gone}`), {
      place: { ...place, field: "brokers.mail.url_file" },
      message: /can't be read: ENOENT/,
    });
    await assert.rejects(of("{url_env: NOT_THERE}"), {
      place: { ...place, field: "brokers.mail.url_env" },
      message: "NOT_THERE is not set",
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("what a start would refuse of a URL is told with the place of the key that is wrong", async () => {
  const { brokers, problems } = parse(`brokers:
  good: {url: "sentinel://h", master_name: m}
  text: ampq://h
  host: {url: "redis://:s3cret/0"}
  sep:
    url: redis://cache/0
    global_keyprefix: "a:"
    globl_keyprefix: "a:"
  none: {url: "sentinel://h", sep: x}
  other: {url: "mongodb://h/d"}
  kept: {url_env: KEPT, prioity_steps: 0}
  away: {url_env: AWAY}
  gone: {url_file: /none/url}`);
  assert.deepEqual(problems, []);
  const env = { KEPT: "redis://:s3cret@h/0" };
  const found = await Promise.all([...brokers.values()].map((broker) => brokerProblem(broker, env)));
  const texts = found.filter((problem) => problem !== undefined).map((problem) => problem.describe());
  const expected = [
    /^f\.yaml:3:3: brokers\.text: there is no broker for ampq:\/\/ .*Did you mean amqp/,
    /^f\.yaml:4:10: brokers\.host\.url: redis:\/\/:\*\*\*\/0 is not a Redis URL/,
    /^f\.yaml:8:5: brokers\.sep\.globl_keyprefix: unknown parameter "globl_keyprefix"/,
    /^f\.yaml:9:10: brokers\.none\.url: .* does not say which master/,
    /^f\.yaml:10:11: brokers\.other\.url: .*Celery has one, and Beat does not.*docs\/brokers\.md/,
    /^f\.yaml:11:25: brokers\.kept\.prioity_steps: unknown parameter "prioity_steps"/,
  ];
  assert.equal(texts.length, expected.length, texts.join("\n"));
  for (const [index, text] of texts.entries()) assert.match(text, expected[index]!);
  assert.doesNotMatch(texts.join(), /s3cret/);
});

const refused: readonly (readonly [string, RegExp])[] = [
  ["brokers: amqp://a//", /f.yaml:1:1: brokers must be a map of names and URLs\. Write it like/],
  ["brokers: {1st: amqp://a//}", /f.yaml:1:11: brokers.1st: the name of a broker begins with a letter/],
  ["brokers: {a: 5}", /f.yaml:1:11: brokers.a: must be a broker's URL, or a map/],
  ["brokers: {a: {}}", /f.yaml:1:11: brokers.a: has no URL\. Give one of: url, url_env, url_file/],
  ["brokers: {a: {url: b, url_env: c}}", /brokers.a: has both url and url_env/],
  [
    "brokers: {a: {url: b, broker_transport_options: {sep: x}}}",
    /brokers.a.broker_transport_options: its options stand beside the URL here\. Move them one level up/,
  ],
  ["brokers: {a: {url: b, max_rate: 0}}", /f.yaml:1:23: brokers.a.max_rate: /],
  ["brokers: {a: {url: b, sep: {c: d}}}", /f.yaml:1:23: brokers.a.sep: must be a text/],
  ["broker: {a: amqp://a//}", /unknown key "broker"\. Did you mean "brokers"\?/],
];

for (const [text, message] of refused) {
  test(`refused: ${text}`, () => {
    const { problems } = parse(text);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0]!, message);
  });
}

test("a name belongs to the first file that has it", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "brokers-"));
  try {
    for (const name of ["a", "b"])
      await writeFile(path.join(folder, `${name}.yaml`), `brokers: {mail: "amqp://${name}//"}\nschedules: {}\n`);
    const { brokers, problems } = await loadScheduleFiles([folder]);
    assert.equal(brokers.get("mail")?.source.text, "amqp://a//");
    assert.equal(problems.length, 1);
    assert.match(problems[0]!.describe(), /b\.yaml:1:11: brokers.mail: the name is taken: .*a\.yaml:1:11 has a broker/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a local run is sent nowhere", () => {
  const { problems } = parseScheduleFile("schedules: {a: {every: 1s, run: ls, broker: mail}}", "f.yaml");
  assert.match(problems[0]!.describe(), /broker: belongs to a task, and this entry has run/);
});
