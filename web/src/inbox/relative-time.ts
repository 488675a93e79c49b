/** A time as people say it: from now. */

const WORDS = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const MINUTE = 60;
const HOUR = 3_600;
const DAYS_IN_WORDS = 6;

/** Empty for a time that is not known. */
export function relativeTime(time: string | null, now: Date): string {
  const at = new Date(time ?? NaN);
  if (Number.isNaN(at.getTime())) return "";
  const seconds = (at.getTime() - now.getTime()) / 1_000;
  const distance = Math.abs(seconds);
  if (distance < 45) return seconds > 0 ? "in a moment" : "just now";
  if (distance < 59.5 * MINUTE) return WORDS.format(Math.round(seconds / MINUTE), "minute");
  const days = Math.round((midnight(at) - midnight(now)) / (24 * HOUR * 1_000));
  if (days === 0 || distance < 12 * HOUR) return WORDS.format(Math.round(seconds / HOUR), "hour");
  if (Math.abs(days) <= DAYS_IN_WORDS) return WORDS.format(days, "day");
  const year = at.getFullYear() === now.getFullYear() ? {} : ({ year: "numeric" } as const);
  const day = at.toLocaleDateString(undefined, { day: "numeric", month: "long", ...year });
  return seconds > 0 ? `on ${day}` : day;
}

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}
