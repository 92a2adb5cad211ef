import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Schedule } from "../../../src/core/triggers/schedule.ts";
import { nextFireTime, previousFireTime } from "../../../src/core/triggers/trigger.ts";
import { assertRefused, compile, firesAfter } from "./fires.ts";

const dayMs = 86_400_000;
const events = [
  "dawn_astronomical",
  "dawn_nautical",
  "dawn_civil",
  "sunrise",
  "solar_noon",
  "sunset",
  "dusk_civil",
  "dusk_nautical",
  "dusk_astronomical",
] as const;

test("a day in London: the nine events in their order", () => {
  const times = events.map(
    (event) =>
      nextFireTime(compile({ solar: { event, latitude: 51.5, longitude: -0.13 } }), Date.parse("2024-03-20T00:00Z"))!,
  );
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.ok(times.at(-1)! < Date.parse("2024-03-21T00:00Z"));
});

test("no sunrise in Tromsø's polar night; noon comes all the same", () => {
  const place = { latitude: 69.6492, longitude: 18.9553 };
  const [rise] = firesAfter({ solar: { event: "sunrise", ...place } }, "2024-12-01T00:00Z", 1);
  assert.match(rise!, /^2025-01-1[4-6]T/);
  assert.match(
    firesAfter({ solar: { event: "solar_noon", ...place } }, "2024-12-21T00:00Z", 1)[0]!,
    /^2024-12-21T10:4/,
  );
});

test("at the poles the sun rises once a year", () => {
  for (const [latitude, month] of [
    [90, "03"],
    [-90, "09"],
  ] as const) {
    const rises = firesAfter({ solar: { event: "sunrise", latitude, longitude: 0 } }, "2024-01-01T00:00Z", 3);
    assert.deepEqual(
      rises.map((text) => text.slice(0, 7)),
      [`2024-${month}`, `2025-${month}`, `2026-${month}`],
    );
  }
});

test("next and previous agree, everywhere", () => {
  const anywhere = fc.record({
    event: fc.constantFrom(...events),
    latitude: fc.integer({ min: -90, max: 90 }),
    longitude: fc.integer({ min: -180, max: 180 }),
  });
  fc.assert(
    fc.property(anywhere, fc.integer({ min: 0, max: 47_000 }), (solar, day) => {
      const trigger = compile({ solar });
      const next = nextFireTime(trigger, day * dayMs)!;
      assert.ok(next > day * dayMs && next < (day + 380) * dayMs);
      const after = nextFireTime(trigger, next)!;
      assert.ok(after > next);
      assert.equal(previousFireTime(trigger, after), next);
    }),
    { numRuns: 500 },
  );
});

test("a coincidence with the sun that never comes is given up soon", () => {
  const start = performance.now();
  assertRefused(
    { all: [{ solar: { event: "sunrise", latitude: 51, longitude: 0 } }, { cron: "0 0 1 1 *" }] },
    "all",
    /never fires/,
  );
  assert.ok(performance.now() - start < 1_000);
});

const refused: readonly (readonly [unknown, string, RegExp, RegExp?])[] = [
  [{ event: "Sunrise", latitude: 1, longitude: 1 }, "solar.event", /no event of the sun/, /sunrise/],
  [{ event: "moonrise", latitude: 1, longitude: 1 }, "solar.event", /no event/],
  [{ latitude: 1, longitude: 1 }, "solar.event", /no event/],
  [{ event: "sunset", latitude: 91, longitude: 1 }, "solar.latitude", /"91" is no latitude/, /-90 to 90/],
  [{ event: "sunset", latitude: "51", longitude: 1 }, "solar.latitude", /is no latitude/],
  [{ event: "sunset", latitude: 1, longitude: Number.NaN }, "solar.longitude", /is no longitude/],
  [{ event: "sunset", lat: 1, longitude: 1 }, "solar.lat", /unknown key/, /latitude/],
  ["sunset", "solar", /not a map/],
];

for (const [solar, field, message, remedy] of refused) {
  test(`refused: ${JSON.stringify(solar)}`, () => assertRefused({ solar } as Schedule, field, message, remedy));
}
