// A recurrence of RFC 5545 in words: "every week on Monday and Friday at 09:30". One rule of days that has a common phrase is
// told; whatever else a text says (several rules, exceptions, positions, weeks of the year) is for the text itself.

import { clock, listed, ordinal, someOf, weekdayName } from "./describe-pattern.ts";
import { monthNames } from "./triggers/fields.ts";
import type { Recurrence } from "./triggers/recurrence.ts";
import { numberOfTimes } from "./triggers/times-of-day.ts";

const units = {
  YEARLY: "year",
  MONTHLY: "month",
  WEEKLY: "week",
  DAILY: "day",
  HOURLY: "hour",
  MINUTELY: "minute",
  SECONDLY: "second",
} as const;

/** So many times of day are listed one by one. */
const maxTimes = 6;

/**
 * `text`: the rule as it is written. What it leaves out comes from its start, and is told only where that `isAnchored`.
 * Undefined where there is no phrase.
 */
export function recurrencePhrase(rule: Recurrence, text: string, isAnchored: boolean): string | undefined {
  const { frequency, interval, months } = rule;
  const partOf = (name: string): string | undefined =>
    new RegExp(`\\b${name}\\s*=([^;]*)`, "i").exec(text)?.[1]?.trim();
  const isWritten = (name: string): boolean => partOf(name) !== undefined;
  const isSubDaily = ["HOURLY", "MINUTELY", "SECONDLY"].includes(frequency);
  if (isSubDaily ? isWritten("BY\\w+") : isOdd(rule, isWritten)) return undefined;
  const isWeekly = frequency === "DAILY" && isWritten("BYDAY");
  const unit = isWeekly ? "week" : units[frequency];
  const days = isSubDaily || !(isAnchored || isWritten("BYDAY") || isWritten("BYMONTHDAY")) ? "" : daysPhrase(rule);
  const tellsMonths = months.length > 0 && (isAnchored || isWritten("BYMONTH"));
  const tellsTimes = !isSubDaily && (isAnchored || (isWritten("BYHOUR") && isWritten("BYMINUTE")));
  const phrases = [
    `every ${interval === 1 ? unit : `${interval} ${unit}s`}`,
    days,
    tellsMonths ? `${days.includes("the ") ? "of" : "in"} ${listed(months.map(monthName))}` : "",
    tellsTimes ? `at ${listed(timesOf(rule))}` : "",
  ].filter(Boolean);
  const [count, until] = [partOf("COUNT"), partOf("UNTIL")];
  const isLate = frequency === "MONTHLY" && days !== "" && rule.monthDays.some((day) => day > 28);
  return [
    phrases.join(" "),
    ...(isLate ? ["leaving out months that have no such day"] : []),
    ...(isAnchored ? [] : ["counted from when it is added"]),
    ...(count === undefined ? [] : [count === "1" ? "once in all" : `${count} times in all`]),
    ...(until === undefined ? [] : [`until ${timeText(until)}`]),
  ].join(", ");
}

/** Whether a rule of days says what has no common phrase. */
function isOdd(rule: Recurrence, isWritten: (name: string) => boolean): boolean {
  const { frequency, interval, positions, weekNumbers, yearDays, weekStart } = rule;
  if (positions.length + weekNumbers.length + yearDays.length > 0 || numberOfTimes(rule) > maxTimes) return true;
  if (interval > 1 && (weekStart !== 1 || (frequency === "DAILY" && isWritten("BYDAY")))) return true;
  if (!isWritten("BYMONTHDAY")) return false;
  return isWritten("BYDAY") || !(frequency === "MONTHLY" || (frequency === "YEARLY" && isWritten("BYMONTH")));
}

function daysPhrase({ frequency, weekdays, monthDays }: Recurrence): string {
  if (weekdays.length > 0) {
    const ascending = weekdays.toSorted((a, b) => (a.weekday || 7) - (b.weekday || 7));
    const plain = ascending.filter(({ nth }) => nth === 0).map(({ weekday }) => weekdayName(weekday));
    const counted = ascending.filter(({ nth }) => nth !== 0);
    const each = frequency === "WEEKLY" || frequency === "DAILY" ? plain : plain.map((name) => `every ${name}`);
    const nths = counted.map(({ weekday, nth }) => `the ${nthName(nth)} ${weekdayName(weekday)}`);
    return `on ${listed(someOf([...each, ...nths], 7))}`;
  }
  const ascending = monthDays.toSorted((a, b) => (a < 0 ? a + 64 : a) - (b < 0 ? b + 64 : b));
  return ascending.length === 0 ? "" : `on ${listed(someOf(ascending.map((day) => `the ${nthName(day, " day")}`)))}`;
}

/** `2nd`, `last`, `2nd to last`; `last`: what the last ones are of. */
function nthName(nth: number, last = ""): string {
  if (nth > 0) return ordinal(nth);
  return nth === -1 ? `last${last}` : `${ordinal(-nth)} to last${last}`;
}

const monthName = (month: number): string => monthNames[month - 1]!.replace(/^./, (letter) => letter.toUpperCase());

const timesOf = ({ hours, minutes, seconds }: Recurrence): string[] =>
  hours.flatMap((hour) => minutes.flatMap((minute) => seconds.map((second) => clock(hour, minute, second))));

/** `20271231T235959Z`. */
const timeText = (text: string): string =>
  text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/i, "$1-$2-$3 $4:$5:$6 UTC");
