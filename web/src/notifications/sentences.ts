/** What a notification's words for its state mean, in sentences for a person. */

import { relativeTime } from "../inbox/relative-time";
import type { Feedback, Notification } from "./notification";

const FEEDBACK: Readonly<Record<Feedback, string>> = {
  engaged: "You found it useful",
  dismissed: "Dismissed",
  muted: "Muted",
};

/** What has become of it, or will. Empty for a state that is not known here. */
export function stateOf({ state, due_at }: Notification, now: Date): string {
  switch (state) {
    case "undecided":
      return "Not decided yet";
    case "waiting":
      return due_at === null ? "Waits" : `You are told ${relativeTime(due_at, now)}`;
    case "digest":
      return "In the next digest";
    case "never":
      return "Only listed here";
    case "delivering":
      return "Being delivered";
    case "delivered":
      return "Delivered";
    case "undeliverable":
      return "Could not be delivered elsewhere";
    case "unknown":
      return "";
  }
}

/** Its state, and what this person has said about it. */
export function statusOf(notification: Notification, now: Date): string {
  const said = notification.feedback === null ? "" : FEEDBACK[notification.feedback];
  return [stateOf(notification, now), said].filter(Boolean).join(" · ");
}

/** Where it is from, of which kind, when, and how urgent where that is worth a word. */
export function originOf({ source, kind, urgency, created_at }: Notification, now: Date): string {
  const urgent = urgency === "urgent" ? "urgent" : urgency === "high" ? "important" : "";
  return [source, kind, relativeTime(created_at, now), urgent].filter(Boolean).join(" · ");
}

export function titleOf({ title, kind, source }: Notification): string {
  return title.trim() || kind || source || "Without a title";
}
