/** Time formatting: a Slack `ts` as clock time, day or age, in the browser's language. */

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", month: "long", day: "numeric" });
const YEAR = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY_SECONDS = 24 * HOUR;

/** The Date of a `ts` ("seconds.microseconds"). */
export const moment = (ts) => new Date(Number(ts) * 1000);

/** Hours and minutes of a `ts`. */
export const clock = (ts) => CLOCK.format(moment(ts));

/** Full date and time of a `ts`, for a tooltip. */
export const full = (ts) => FULL.format(moment(ts));

/** A key shared by all `ts` of one local day. */
export const dayKey = (ts) => moment(ts).toDateString();

/** The name of a day, for a divider. */
export function dayName(ts, now = new Date()) {
  const days = (now - moment(ts)) / (DAY_SECONDS * 1000);
  if (moment(ts).toDateString() === now.toDateString()) return "Today";
  const yesterday = new Date(now.getTime() - DAY_SECONDS * 1000);
  if (moment(ts).toDateString() === yesterday.toDateString()) return "Yesterday";
  return (days > 300 ? YEAR : DAY).format(moment(ts));
}

const SHORT_DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** A day as Slack's `{date_short_pretty}` says it. */
function prettyDay(ts, now) {
  const days = [-1, 0, 1].map((days) => new Date(now.getTime() + days * DAY_SECONDS * 1000));
  const found = days.findIndex((day) => day.toDateString() === moment(ts).toDateString());
  return ["yesterday", "today", "tomorrow"][found] ?? SHORT_DAY.format(moment(ts));
}

const LONG_DAY = new Intl.DateTimeFormat(undefined, { month: "long", day: "numeric" });

/** A day as Slack's `{date}` says it: with its year if that is not obvious. */
function longDay(ts, now) {
  const days = Math.abs(now - moment(ts)) / (DAY_SECONDS * 1000);
  return (days > 180 ? YEAR : LONG_DAY).format(moment(ts));
}

/** Fills in Slack's format of a date; null if it has a token that this page does not know. */
export function formatDate(ts, format, now = new Date()) {
  const shown = format
    .replaceAll("{date_short_pretty}", () => prettyDay(ts, now))
    .replaceAll("{date}", () => longDay(ts, now))
    .replaceAll("{time}", () => clock(ts));
  return /\{\w+\}/.test(shown) ? null : shown;
}

/** Age of a `ts`, for example "5 minutes ago". */
export function ago(ts, now = new Date()) {
  const seconds = (now - moment(ts)) / 1000;
  if (seconds < MINUTE) return "just now";
  if (seconds < HOUR) return AGO.format(-Math.floor(seconds / MINUTE), "minute");
  if (seconds < DAY_SECONDS) return AGO.format(-Math.floor(seconds / HOUR), "hour");
  return AGO.format(-Math.floor(seconds / DAY_SECONDS), "day");
}
