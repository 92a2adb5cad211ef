// `solar`: the sun's nine events at a place, as in Celery. Fire times are whole seconds and depend on no time zone. In a polar
// night or day an event stays away; the next one is the one after it.
//
// Where the sun stands is Meeus, Astronomical Algorithms, chapters 12, 22 and 25 (good to 0.01 degrees: some two seconds
// of time, more where it grazes the horizon). Between its lowest and its highest point of a day the sun only climbs, and
// then only sinks: so an event is found by halving, and it exists where the two ends lie on both sides of its altitude.
// Libraries ask instead whether it exists with the declination of noon, and name mornings at the edge of a polar season on
// which the sun never gets there.

import { z } from "zod";
import { DefinitionError, nearest } from "../errors.ts";
import { dayMs, type Instant, secondMs } from "../time.ts";
import { inQuotes } from "./date-time.ts";
import { checkedMap } from "./map.ts";

/** The altitude of the sun's centre in degrees; `limb`: of its upper edge, which refraction lifts by 34 minutes of arc. */
interface Crossing {
  readonly altitude: number;
  readonly limb?: true;
  readonly rising: boolean;
}

const crossings = {
  dawn_astronomical: { altitude: -18, rising: true },
  dawn_nautical: { altitude: -12, rising: true },
  dawn_civil: { altitude: -6, rising: true },
  sunrise: { altitude: -34 / 60, limb: true, rising: true },
  solar_noon: null,
  sunset: { altitude: -34 / 60, limb: true, rising: false },
  dusk_civil: { altitude: -6, rising: false },
  dusk_nautical: { altitude: -12, rising: false },
  dusk_astronomical: { altitude: -18, rising: false },
} as const satisfies Record<string, Crossing | null>;

type Event = keyof typeof crossings;
const events = Object.keys(crossings) as [Event, ...Event[]];

export interface Solar {
  readonly kind: "solar";
  readonly event: Event;
  /** Degrees, north positive. */
  readonly latitude: number;
  /** Degrees, east positive. */
  readonly longitude: number;
}

export const solarSchema = z.strictObject({
  event: z.enum(events),
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
});
const keys = ["event", "latitude", "longitude"] as const;

/** An event that stays away this long is not one of the place: at the poles the sun rises once a year. */
const maxDays = 400;

export function compileSolar(value: unknown): Solar {
  const { event, latitude, longitude } = checkedMap(value, keys, "solar", {
    remedy: `Write a map of ${keys.join(", ")}.`,
  });
  if (typeof event !== "string" || !Object.hasOwn(crossings, event)) {
    const guess = typeof event === "string" ? nearest(event, events) : undefined;
    throw new DefinitionError(`${inQuotes(event)} is no event of the sun`, {
      remedy: guess ? `Did you mean "${guess}"?` : `Events: ${events.join(", ")}.`,
      place: { field: "solar.event" },
    });
  }
  return {
    kind: "solar",
    event: event as Event,
    latitude: degrees(latitude, "latitude", 90),
    longitude: degrees(longitude, "longitude", 180),
  };
}

function degrees(value: unknown, name: string, limit: number): number {
  if (typeof value === "number" && value >= -limit && value <= limit) return value;
  throw new DefinitionError(`${inQuotes(value)} is no ${name}`, {
    remedy: `Write degrees from -${limit} to ${limit}.`,
    place: { field: `solar.${name}` },
  });
}

export function nextSolar(solar: Solar, after: Instant): Instant | null {
  const first = solarDay(solar, after) - 1;
  for (let day = first; day < first + maxDays; day++) {
    const found = eventsOn(solar, day).find((instant) => instant > after);
    if (found !== undefined) return found;
  }
  return null;
}

export function previousSolar(solar: Solar, before: Instant): Instant | null {
  const last = solarDay(solar, before) + 1;
  for (let day = last; day > last - maxDays; day--) {
    const found = eventsOn(solar, day).findLast((instant) => instant < before);
    if (found !== undefined) return found;
  }
  return null;
}

// Times are days since noon (UTC) of 1 January 2000, angles are radians.

const epochMs = Date.UTC(2000, 0, 1, 12);
const turn = 2 * Math.PI;
const radians = Math.PI / 180;

/** The number of the place's solar day at an instant: day n has its noon near n - longitude / 360. */
const solarDay = ({ longitude }: Solar, instant: Instant): number =>
  Math.round((instant - epochMs) / dayMs + longitude / 360);

/** The event on one solar day, from midnight to midnight of the sun: none or one, near the poles even two. */
function eventsOn(solar: Solar, day: number): Instant[] {
  const crossing = crossings[solar.event];
  if (crossing !== null && staysAway(solar, crossing, day)) return [];
  const noon = culmination(solar, day, 0);
  if (crossing === null) return [toInstant(noon)];
  const halves = [culmination(solar, day - 0.5, Math.PI), noon, culmination(solar, day + 0.5, Math.PI)] as const;
  return [
    ...crossingsBetween(solar, crossing, halves[0], halves[1]),
    ...crossingsBetween(solar, crossing, halves[1], halves[2]),
  ];
}

/**
 * Whether the sun keeps well away from an altitude all day: its highest and lowest point follow from its declination, which changes
 * by less than half a degree a day. It makes the search through a polar season cheap.
 */
function staysAway({ latitude, longitude }: Solar, { altitude }: Crossing, day: number): boolean {
  const declination = sunAt(day - longitude / 360).declination / radians;
  const highest = 90 - Math.abs(latitude - declination);
  const lowest = Math.abs(latitude + declination) - 90;
  return altitude > highest + marginDegrees || altitude < lowest - marginDegrees;
}

/** More than the sun's radius, its parallax and a day's change of declination together. */
const marginDegrees = 2;

const toInstant = (time: number): Instant => Math.round((time * dayMs + epochMs) / secondMs) * secondMs;

/** When the sun's hour angle is 0 (its highest point) or half a turn (its lowest). */
function culmination({ longitude }: Solar, day: number, angle: number): number {
  let time = day - longitude / 360;
  for (let step = 0; step < 3; step++) {
    const away = hourAngle(time, longitude, sunAt(time).rightAscension) - angle;
    time -= away / turn - Math.round(away / turn);
  }
  return time;
}

function crossingsBetween(solar: Solar, crossing: Crossing, start: number, end: number): Instant[] {
  const isAbove = (time: number): boolean => heightAbove(solar, crossing, time) >= 0;
  if (isAbove(start) === crossing.rising || isAbove(end) !== crossing.rising) return [];
  let [before, after] = [start, end];
  // From half a day to a twentieth of a second.
  for (let step = 0; step < 20; step++) {
    const middle = (before + after) / 2;
    if (isAbove(middle) === crossing.rising) after = middle;
    else before = middle;
  }
  return [toInstant((before + after) / 2)];
}

/** How far the sun stands above the altitude of a crossing. */
function heightAbove({ latitude, longitude }: Solar, { altitude, limb }: Crossing, time: number): number {
  const { rightAscension, declination, radius, parallax } = sunAt(time);
  const north = latitude * radians;
  const angle = hourAngle(time, longitude, rightAscension);
  const centre = Math.asin(
    Math.sin(north) * Math.sin(declination) + Math.cos(north) * Math.cos(declination) * Math.cos(angle),
  );
  return centre - parallax * Math.cos(centre) + (limb ? radius : 0) - altitude * radians;
}

/** Since the sun last passed the meridian: sidereal time (Meeus 12.4) at the place, minus right ascension. */
const hourAngle = (time: number, longitude: number, rightAscension: number): number =>
  (280.46061837 + 360.98564736629 * time + longitude) * radians - rightAscension;

/** Terrestrial time runs ahead of UTC by about this. */
const terrestrialLeadDays = 70 / 86_400;

/** The apparent place of the sun, its radius and its parallax (Meeus chapter 25; obliquity 22.2). */
function sunAt(time: number) {
  const t = (time + terrestrialLeadDays) / 36_525;
  const meanLongitude = 280.46646 + t * (36_000.76983 + t * 0.0003032);
  const anomaly = (357.52911 + t * (35_999.05029 - t * 0.0001537)) * radians;
  const eccentricity = 0.016708634 - t * (0.000042037 + t * 0.0000001267);
  const centre =
    (1.914602 - t * (0.004817 + t * 0.000014)) * Math.sin(anomaly) +
    (0.019993 - t * 0.000101) * Math.sin(2 * anomaly) +
    0.000289 * Math.sin(3 * anomaly);
  const node = (125.04 - 1_934.136 * t) * radians;
  const longitude = (meanLongitude + centre - 0.00569 - 0.00478 * Math.sin(node)) * radians;
  const obliquity =
    (23.439291 - t * (0.0130042 + t * (0.00000016 - t * 0.000000504)) + 0.00256 * Math.cos(node)) * radians;
  const distance = (1.000001018 * (1 - eccentricity ** 2)) / (1 + eccentricity * Math.cos(anomaly + centre * radians));
  return {
    rightAscension: Math.atan2(Math.cos(obliquity) * Math.sin(longitude), Math.cos(longitude)),
    declination: Math.asin(Math.sin(obliquity) * Math.sin(longitude)),
    radius: (0.266563 / distance) * radians,
    parallax: (0.002443 / distance) * radians,
  };
}
