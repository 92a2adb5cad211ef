import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { readsPreviousFireTime, type TemplateValues, templateOf } from "../../src/celery/templates.ts";
import { BeatError } from "../../src/core/errors.ts";

const values: TemplateValues = {
  fire_time: "2027-01-01T09:00:00+00:00",
  previous_fire_time: "2026-12-31T09:00:00+00:00",
  name: "e",
};
const filled = (value: unknown, own: Partial<TemplateValues> = {}) =>
  templateOf(value, "args")?.({ ...values, ...own });

suite("templates", () => {
  const cases: readonly [unknown, unknown][] = [
    ["{{ fire_time }}", values.fire_time],
    ["{{fire_time}}", values.fire_time],
    ["{{ previous_fire_time }}", values.previous_fire_time],
    ["{{ name }}", "e"],
    ["a {{ name }}: {{ fire_time }}!", `a e: ${values.fire_time}!`],
    ["{{{{ name }}", "{{ name }}"],
    ["{{{{{{ name }}", "{{e"],
    ["{{{{{{{{", "{{{{"],
    ["{{ name", "{{ name"],
    ["{{", "{{"],
    [
      [1, ["{{ name }}"], { k: "{{ name }}", "{{ name }}": null }],
      [1, ["e"], { k: "e", "{{ name }}": null }],
    ],
  ];
  for (const [value, expected] of cases) test(JSON.stringify(value), () => assert.deepEqual(filled(value), expected));

  test("without a time before, null or nothing", () => {
    const first = { previous_fire_time: null };
    assert.equal(filled("{{ previous_fire_time }}", first), null);
    assert.equal(filled("from {{ previous_fire_time }} on", first), "from  on");
  });
  test("what holds none is left alone", () => {
    for (const value of ["", "{ name }", "}}", 1, null, [], {}, ["a", { b: "c" }]])
      assert.equal(templateOf(value, "args"), undefined);
    fc.assert(
      fc.property(
        fc.jsonValue(),
        (value) => JSON.stringify(value).includes("{{") || templateOf(value, "args") === undefined,
      ),
    );
  });
  test("any text comes back where its braces are written twice", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        const text = `${before}{{${after}`.replaceAll(/\{+/g, (braces) => (braces.length > 1 ? "{{" : "{"));
        assert.equal(filled(text.replaceAll("{{", "{{{{")), text);
      }),
    );
  });
  const unknown: readonly [string, RegExp][] = [
    ["{{ fire_tme }}", /fire_tme }} is not known.*Did you mean {{ fire_time }}\?/],
    ["{{ user.address }}", /Known: fire_time, previous_fire_time, name\./],
    ["{{ }}", /is not known/],
  ];
  for (const [text, expected] of unknown) {
    test(`unknown: ${text}`, () => {
      assert.throws(
        () => templateOf([{ k: text }], "args"),
        (error) => error instanceof BeatError && error.place?.field === "args.0.k" && expected.test(error.describe()),
      );
    });
  }
  test("whether the time before is asked for", () => {
    assert.ok(readsPreviousFireTime({ a: ["x {{previous_fire_time}}"] }));
    assert.ok(!readsPreviousFireTime({ a: ["{{ fire_time }} previous_fire_time"], previous_fire_time: 1 }));
  });
});
