import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { definitionKeys } from "../../src/core/definition.ts";
import { targetKeys } from "../../src/core/target.ts";
import { triggerKeys } from "../../src/core/triggers/schedule.ts";
import { scheduleFileSchema } from "../../src/definitions/file-schema.ts";

test("schema/beat.schema.json is up to date: npx node scripts/make-schema.ts", async () => {
  const written = await readFile(new URL("../../schema/beat.schema.json", import.meta.url), "utf8");
  assert.deepEqual(JSON.parse(written), JSON.parse(JSON.stringify(scheduleFileSchema())));
});

test("the schema knows every key of an entry, and no other", () => {
  const { $defs } = scheduleFileSchema() as {
    $defs: { entry: { properties: object; additionalProperties: boolean; allOf: unknown } };
  };
  assert.deepEqual(Object.keys($defs.entry.properties), [...definitionKeys]);
  assert.equal($defs.entry.additionalProperties, false);
  assert.deepEqual($defs.entry.allOf, [
    { oneOf: triggerKeys.map((key) => ({ required: [key] })) },
    { oneOf: targetKeys.map((key) => ({ required: [key] })) },
  ]);
});
