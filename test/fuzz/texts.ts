// Valid texts of every dialect, from its grammar: what people write, and the rarer half of what they may write.

import type { Random } from "./random.ts";

const zoneNames = [...Intl.supportedValuesOf("timeZone"), "UTC", "GMT", "Etc/GMT-14", "US/Pacific", "Asia/Calcutta"];
const oddZones =
  "Australia/Lord_Howe Pacific/Apia Africa/Casablanca Pacific/Chatham America/Havana Antarctica/Troll Africa/Monrovia".split(
    " ",
  );

export const zone = (random: Random): string =>
  random.any(
    () => random.pick(zoneNames),
    () => random.pick(oddZones),
    () => random.pick(["UTC", "Europe/Berlin", "America/New_York"]),
  );

const two = (value: number): string => String(value).padStart(2, "0");

export function date(random: Random): string {
  const year = random.any(
    () => random.int(2020, 2040),
    () => random.int(1900, 9_999),
  );
  return `${String(year).padStart(4, "0")}-${two(random.int(1, 12))}-${two(random.int(1, random.chance(0.1) ? 31 : 28))}`;
}

const timeOfDay = (random: Random): string => `${two(random.int(0, 23))}:${two(random.int(0, 59))}`;

export function dateTime(random: Random): string {
  const seconds = random.chance(0.4) ? `:${two(random.int(0, 59))}${random.pick(["", ".5", ",123456789"])}` : "";
  const offset = random.pick(["", "", "", "Z", "+01:00", "-0330", " Z"]);
  return `${date(random)}${random.pick(["T", "T", " "])}${timeOfDay(random)}${seconds}${offset}`;
}

export const dateOrTime = (random: Random): string => (random.chance(0.5) ? date(random) : dateTime(random));

export const dateRange = (random: Random): string => {
  const [from, to] = [dateOrTime(random), dateOrTime(random)].sort();
  return `${from}${random.pick(["..", "/", " .. "])}${to}`;
};

export function duration(random: Random): string {
  const amount = () => random.pick(["1", "30", "90", "0.5", "1.25", "007", String(random.int(0, 100_000))]);
  return random.any(
    () => random.times(1, 3, () => `${amount()}${random.pick(["ms", "s", "m", "h", "d", "w"])}`).join(""),
    () => `PT${amount()}H${amount()}M${amount()}S`,
    () => `P${amount()}${random.pick(["D", "W"])}`,
    () => `P${amount()}DT${amount()}${random.pick(["H", "M", "S"])}`,
  );
}

// ---------------------------------------------------------------------------------------------------------- cron fields

const weekdays = "sun mon tue wed thu fri sat".split(" ");
const months = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");

export interface FieldShape {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
  /** Elements that this field of this dialect knows beside numbers and ranges. */
  readonly own?: readonly ((random: Random) => string)[];
}

function element(random: Random, { min, max, names, own = [] }: FieldShape): string {
  const value = (): string =>
    names !== undefined && random.chance(0.4) ? random.pick(names) : String(random.int(min, max));
  const range = (): string => {
    const [low, high] = [random.int(min, max), random.int(min, max)].sort((a, b) => a - b);
    return names !== undefined && random.chance(0.3) ? `${value()}-${value()}` : `${low}-${high}`;
  };
  const step = () => random.int(1, random.chance(0.8) ? 15 : max);
  return random.any(
    value,
    value,
    range,
    () => `*/${step()}`,
    () => `${range()}/${step()}`,
    ...own.map((make) => () => make(random)),
  );
}

export const field = (random: Random, shape: FieldShape): string =>
  random.chance(0.35) ? "*" : random.times(1, random.pick([1, 1, 1, 2, 5]), () => element(random, shape)).join(",");

const sixty: FieldShape = { min: 0, max: 59 };
const day: FieldShape = { min: 0, max: 23 };

/** Five fields in the order of a text. */
const crontabShapes: Readonly<Record<string, FieldShape>> = {
  minute: sixty,
  hour: day,
  day_of_month: { min: 1, max: 31 },
  month_of_year: { min: 1, max: 12, names: [...months, "september"] },
  day_of_week: { min: 0, max: 6, names: [...weekdays, "thursday"] },
};

export const crontab = (random: Random): string =>
  Object.values(crontabShapes)
    .map((shape) => field(random, shape))
    .join(" ");

export const crontabMap = (random: Random): Record<string, unknown> =>
  mapOf(random, crontabShapes, ({ min, max }) =>
    random.any<unknown>(
      () => random.int(min, max),
      () => random.times(1, 4, () => random.int(min, max)),
    ),
  );

function mapOf(random: Random, shapes: Readonly<Record<string, FieldShape>>, value: (shape: FieldShape) => unknown) {
  return Object.fromEntries(
    Object.entries(shapes)
      .filter(() => random.chance(0.5))
      .map(([key, shape]) => [key, random.chance(0.6) ? field(random, shape) : value(shape)]),
  );
}

const chosen = (random: Random): string => random.pick(["~", "0~", "~5", "1~4", "~/3", "2~6/2"]);
const cronDay: FieldShape = {
  min: 1,
  max: 31,
  own: [() => "L", () => "LW", (random) => `${random.int(1, 31)}W`, () => "?", chosen],
};
const cronWeekday: FieldShape = {
  min: 0,
  max: 7,
  names: weekdays,
  own: [
    (random) => `${random.int(0, 7)}#${random.int(1, 5)}`,
    (random) => `${random.int(0, 7)}L`,
    (random) => `${random.pick(weekdays)}${random.pick(["L", "#2"])}`,
    () => "?",
    chosen,
  ],
};
const chosenTime = (shape: FieldShape): FieldShape => ({ ...shape, own: [chosen] });

export function cron(random: Random): string {
  if (random.chance(0.05))
    return random.pick(["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@reboot"]);
  const five = [chosenTime(sixty), chosenTime(day), cronDay, { min: 1, max: 12, names: months }, cronWeekday];
  const shapes = random.chance(0.4) ? [chosenTime(sixty), ...five] : five;
  return shapes.map((shape) => field(random, shape)).join(random.pick([" ", " ", "  ", "\t"]));
}

const apschedulerShapes: Readonly<Record<string, FieldShape>> = {
  year: { min: 1970, max: 2099, own: [(random) => String(random.int(1970, 9_999))] },
  month: { min: 1, max: 12, names: months },
  day: {
    min: 1,
    max: 31,
    own: [
      () => "last",
      (random) => `${random.pick(["1st", "2nd", "3rd", "4th", "5th", "last"])} ${random.pick(weekdays)}`,
    ],
  },
  week: { min: 1, max: 53 },
  day_of_week: { min: 0, max: 6, names: weekdays },
  hour: day,
  minute: sixty,
  second: sixty,
};

export const apscheduler = (random: Random): Record<string, unknown> =>
  mapOf(random, apschedulerShapes, ({ min, max }) => random.int(min, max));

// ---------------------------------------------------------------------------------------------------------------- rrule

const basicTime = (random: Random): string =>
  dateTime(random).slice(0, 16).replace(" ", "T").replaceAll(/[-:]/g, "").concat("00");
const numbers = (random: Random, min: number, max: number, signed = false): string =>
  random.times(1, 3, () => `${signed && random.chance(0.3) ? "-" : ""}${random.int(min, max)}`).join(",");

const ruleParts: readonly ((random: Random) => string)[] = [
  (random) =>
    `INTERVAL=${random.weighted([
      [5, random.int(1, 10)],
      [1, random.int(1, 1_000_000)],
    ] as const)}`,
  (random) =>
    `COUNT=${random.weighted([
      [5, random.int(1, 20)],
      [1, random.int(1, 100_000)],
    ] as const)}`,
  (random) => `UNTIL=${basicTime(random)}Z`,
  (random) => `WKST=${random.pick(["MO", "SU", "TH"])}`,
  (random) =>
    `BYDAY=${random.times(1, 3, () => random.pick(["", "", "", "1", "-1", "2", "5", "-53"]) + random.pick(["MO", "WE", "FR", "SA", "SU"])).join(",")}`,
  (random) => `BYMONTH=${numbers(random, 1, 12)}`,
  (random) => `BYMONTHDAY=${numbers(random, 1, 31, true)}`,
  (random) => `BYYEARDAY=${numbers(random, 1, 366, true)}`,
  (random) => `BYWEEKNO=${numbers(random, 1, 53, true)}`,
  (random) => `BYHOUR=${numbers(random, 0, 23)}`,
  (random) => `BYMINUTE=${numbers(random, 0, 59)}`,
  (random) => `BYSECOND=${numbers(random, 0, 59)}`,
  (random) => `BYSETPOS=${numbers(random, 1, 366, true)}`,
];

export function rule(random: Random): string {
  const frequency = random.pick(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]);
  const parts = ruleParts.filter(() => random.chance(0.18)).map((make) => make(random));
  return [`FREQ=${frequency}`, ...parts].join(";");
}

export function rrule(random: Random): string {
  if (random.chance(0.6)) return rule(random);
  const lines = random.times(1, 3, () =>
    random.any(
      () => `RRULE:${rule(random)}`,
      () => `EXRULE:${rule(random)}`,
      () => `${random.pick(["RDATE", "EXDATE"])}:${random.times(1, 3, () => basicTime(random)).join(",")}`,
    ),
  );
  return [`RRULE:${rule(random)}`, ...lines].join("\n");
}

// -------------------------------------------------------------------------------------------------------------- the rest

export function brokerUrl(random: Random): string {
  const user = random.pick(["", "guest:guest@", "a%40b:p%2Fw%23@", "user@", ":secret@", "ü:ß@"]);
  const host = random.pick(["", "localhost", "127.0.0.1", "[::1]", "rabbit.example.com", "host:5672", "host:65535"]);
  const query = random.pick(["", "", "?heartbeat=10", "?connection_timeout=5&heartbeat=0"]);
  return random.any(
    () =>
      `${random.pick(["amqp", "amqps", "AMQP"])}://${user}${host}${random.pick(["", "/", "//", "/%2F", "/shop"])}${query}`,
    () => `sqla+sqlite://${random.pick(["/", "//"])}${random.pick(["broker.sqlite", "tmp/b.db", ":memory:", "a b"])}`,
    () => random.pick(["memory://", "redis://localhost", "sqs://", "http://example.com"]),
  );
}

/** An .ics file. */
export function icalendar(random: Random): string {
  const moment = (): string =>
    random.any(
      () => `;VALUE=DATE:${basicTime(random).slice(0, 8)}`,
      () => `:${basicTime(random)}`,
      () => `:${basicTime(random)}Z`,
      () => `;TZID=${zone(random)}:${basicTime(random)}`,
    );
  const event = (): string[] => {
    const start = moment();
    const alike = () => (random.chance(0.7) ? start.replace(/\d{8}/, basicTime(random).slice(0, 8)) : moment());
    const optional = [
      () => `DTEND${alike()}`,
      () => `DURATION:${random.pick(["P1D", "PT1H30M", "P2W", "-P1D"])}`,
      () => `RRULE:${rule(random)}`,
      () => `EXDATE${alike()}`,
      () => `RDATE${alike()}`,
      () => `RECURRENCE-ID${alike()}`,
      () => `SUMMARY:${random.pick(["Christmas", "a\\, b\\nc", "long\r\n  folded line"])}`,
      () => "STATUS:CANCELLED",
    ].filter(() => random.chance(0.25));
    return [
      "BEGIN:VEVENT",
      `UID:${random.int(1, 3)}`,
      `DTSTART${start}`,
      ...optional.map((make) => make()),
      "END:VEVENT",
    ];
  };
  const events = random.times(0, 4, event).flat();
  return ["BEGIN:VCALENDAR", "VERSION:2.0", ...events, "END:VCALENDAR"].join(random.pick(["\r\n", "\n"]));
}
