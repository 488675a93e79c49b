/** A notification, as the gateway lists it and as an event tells it. Nothing in it is trusted. */

import type { ClientEvent } from "../conversation/client-event";
import { fieldsOf, textOf, timeOf, wordOf } from "../gateway/fields";
import { readRule, type Rule } from "../preferences/rule";

export const URGENCIES = ["low", "normal", "high", "urgent"] as const;
export type Urgency = (typeof URGENCIES)[number];

const STATES = ["undecided", "waiting", "digest", "never", "delivering", "delivered", "undeliverable"] as const;
const FEEDBACK = ["engaged", "dismissed", "muted"] as const;
export type Feedback = (typeof FEEDBACK)[number];

export type Notification = {
  readonly notification_id: string;
  readonly source: string;
  readonly kind: string;
  readonly title: string;
  readonly text: string;
  readonly url: string;
  readonly urgency: Urgency | "unknown";
  readonly state: (typeof STATES)[number] | "unknown";
  /** Why it was decided so. */
  readonly reason: string;
  readonly due_at: string | null;
  readonly created_at: string | null;
  readonly seen_at: string | null;
  readonly feedback: Feedback | null;
};

/** What a person wants done with a notification. */
export type Wish =
  | { readonly seen: true }
  | { readonly feedback: Feedback }
  | { readonly snooze_minutes: number };

/** The notification after a wish, and what was learned from it. */
export type WishReply = { readonly notification: Notification | undefined; readonly rule: Rule | undefined };

/** Nothing, where it has no id: nothing could be done with it. */
export function readNotification(value: unknown): Notification | undefined {
  const fields = fieldsOf(value);
  const id = textOf(fields["notification_id"]);
  if (id === "") return undefined;
  return {
    notification_id: id,
    source: textOf(fields["source"]),
    kind: textOf(fields["kind"]),
    title: textOf(fields["title"]),
    text: textOf(fields["text"]),
    url: textOf(fields["url"]),
    urgency: wordOf(fields["urgency"], URGENCIES, "unknown"),
    state: wordOf(fields["state"], STATES, "unknown"),
    reason: textOf(fields["reason"]),
    due_at: timeOf(fields["due_at"]),
    created_at: timeOf(fields["created_at"]),
    seen_at: timeOf(fields["seen_at"]),
    feedback: wordOf(fields["feedback"], FEEDBACK, null),
  };
}

export function readWishReply(value: unknown): WishReply {
  const fields = fieldsOf(value);
  return { notification: readNotification(fields["notification"]), rule: readRule(fields["rule"]) };
}

/** The notification that an event tells; what is told is being delivered, and nobody has seen it. */
export function notificationOf(event: ClientEvent): Notification | undefined {
  const fields = fieldsOf(event.notification);
  const createdAt = new Date(Number(fields["createdUnixMs"] ?? NaN));
  return readNotification({
    ...fields,
    notification_id: fields["notificationId"],
    urgency: textOf(fields["urgency"]).toLowerCase(),
    state: "delivered",
    created_at: Number.isNaN(createdAt.getTime()) ? null : createdAt.toISOString(),
    due_at: null,
    seen_at: null,
    feedback: null,
  });
}

/** Whether the person is meant to know of it now; others are in the list for whoever looks. */
export function isTold({ state }: Notification): boolean {
  return state === "delivering" || state === "delivered" || state === "undeliverable";
}

/** Where a notification leads, if that is a page on the web. */
export function linkOf({ url }: Notification): string | undefined {
  try {
    const { protocol, href } = new URL(url);
    return protocol === "https:" || protocol === "http:" ? href : undefined;
  } catch {
    return undefined;
  }
}
