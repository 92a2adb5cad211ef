// What an entry may say of a request, what it means, and what is refused when it is written.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseDefinition, policyOf } from "../../src/core/definition.ts";
import { DefinitionError } from "../../src/core/errors.ts";
import { hostOf } from "../../src/core/http-target.ts";
import { targetOf } from "../../src/core/target.ts";
import { checkedDefinition } from "../../src/definitions/checked.ts";

const url = "https://example.org/hook";
const written = (http: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  every: "1h",
  http: { url, ...http },
  ...more,
});

test("what is not said: POST, any 2xx, public addresses, ten retries", () => {
  const definition = parseDefinition(written({}));
  assert.deepEqual(targetOf(definition), {
    kind: "http",
    url,
    method: "POST",
    headers: {},
    body: undefined,
    expect: ["2xx"],
    secret: undefined,
    allowPrivate: false,
  });
  const { maxAttempts, overlap, timeoutMs } = policyOf(definition);
  assert.deepEqual([maxAttempts, overlap, timeoutMs], [11, "allow", null]);
  assert.equal(policyOf(parseDefinition(written({}, { retries: 0, timeout: "5s" }))).maxAttempts, 1);
});

test("a URL that is a secret itself is kept elsewhere", () => {
  const target = targetOf(checkedDefinition(written({ url: { env: "CHAT_URL" } }), {}));
  assert.ok(target.kind === "http");
  assert.deepEqual([target.url, hostOf(target.url)], [{ env: "CHAT_URL" }, "the URL in CHAT_URL"]);
});

test("all that may be said", () => {
  const http = {
    method: "PUT",
    headers: { "X-Reason": "{{ name }}", Authorization: { file: "/run/secrets/token" } },
    body: { at: "{{ fire_time }}", list: [1, null] },
    expect: [204, "3xx"],
    secret: { env: "HOOK_SECRET" },
    allow_private: true,
  };
  const target = targetOf(checkedDefinition(written(http), {}));
  assert.ok(target.kind === "http");
  assert.deepEqual([target.method, target.expect, target.allowPrivate], ["PUT", [204, "3xx"], true]);
  assert.deepEqual([target.headers, target.body, target.secret], [http.headers, http.body, http.secret]);
});

suite("refused when written", () => {
  const cases: readonly [Record<string, unknown>, RegExp][] = [
    [written({ url: "example.org/hook" }), /^http\.url: is not an http\(s\) URL/],
    [written({ url: "ftp://example.org/" }), /^http\.url: is not an http\(s\) URL/],
    [written({ url: "https://me:hidden@example.org/" }), /^http\.url: must not hold a name or a password/],
    [written({ methd: "GET" }), /^http\.methd: unknown key "methd"\. Did you mean "method"\?/],
    [written({ method: "TRACE" }), /^http\.method: /],
    [written({ method: "GET", body: "x" }), /^http\.body: is not sent with GET/],
    [written({ headers: { "X Y": "1" } }), /^http\.headers\.X Y: is not the name of a header/],
    [written({ headers: { "Idempotency-Key": "1" } }), /^http\.headers\.Idempotency-Key: is set by Beat/],
    [
      written({ headers: { Authorization: "Bearer hidden" } }),
      /^http\.headers\.Authorization: would be stored and shown/,
    ],
    [written({ headers: { "X-Y": "a\r\nHost: evil" } }), /^http\.headers\.X-Y: holds a character that no header can/],
    [written({ body: { at: "{{ fire_tme }}" } }), /^http\.body\.at: {{ fire_tme }} is not known\. Did you mean/],
    [written({ headers: { "X-Y": "{{ nme }}" } }), /^http\.headers\.X-Y: {{ nme }} is not known/],
    [written({ body: { n: Number.NaN } }), /^http\.body\.n: .* can't be written as JSON/],
    [written({ expect: 99 }), /^http\.expect: /],
    [
      written({ secret: "hidden" }),
      /^http\.secret: must be a map, not the secret itself\. Write {env: NAME} or {file: PATH}/,
    ],
    [written({}, { task: "a" }), /^http: is a second target beside task/],
    [written({}, { args: [1] }), /^args: belongs to a task, and this entry has http/],
    [written({}, { retry_delay: "1s" }), /^retry_delay: is for local runs/],
    [written({}, { overlap: "skip" }), /^overlap: needs a target that runs here/],
  ];
  for (const [definition, message] of cases) {
    test(String(message), () => {
      assert.throws(
        () => checkedDefinition(definition, {}),
        (error: DefinitionError) => {
          assert.ok(error instanceof DefinitionError);
          assert.match(error.describe(), message);
          assert.doesNotMatch(error.describe(), /hidden/);
          return true;
        },
      );
    });
  }
});
