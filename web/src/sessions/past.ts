/** Past sessions, put into words. */

import type { SessionSummary, SessionTurn } from "../gateway/gateway";
import { splitAtText, type HeardSplit } from "../conversation/heard";

export type Day = { readonly name: string; readonly sessions: readonly SessionSummary[] };

/** Sessions by the day they began on, in the order they come. */
export function byDay(sessions: readonly SessionSummary[], now: Date): readonly Day[] {
  const days = new Map<string, SessionSummary[]>();
  for (const session of sessions) {
    const name = dayName(new Date(session.started_at), now);
    const day = days.get(name);
    if (day) day.push(session);
    else days.set(name, [session]);
  }
  return [...days].map(([name, found]) => ({ name, sessions: found }));
}

export function dayName(day: Date, now: Date): string {
  const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const ago = Math.round((midnight(now) - midnight(day)) / 86_400_000);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  const year = day.getFullYear() === now.getFullYear() ? {} : ({ year: "numeric" } as const);
  return day.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long", ...year });
}

/** What of an answer was heard. An answer that was completed was heard as a whole, or read. */
export function splitOf(turn: SessionTurn): HeardSplit {
  const whole = { heard: turn.answer, unheard: "" };
  return turn.status === "completed" ? whole : (splitAtText(turn.answer, turn.heard) ?? whole);
}
