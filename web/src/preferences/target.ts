/** Where a person is told: a browser, an address, a program. */

import { fieldsOf, textOf, wordOf } from "../gateway/fields";
import { URGENCIES, type Urgency } from "../notifications/notification";

export type Target = {
  readonly target_id: string;
  readonly channel: string;
  readonly address: string;
  readonly least_urgency: Urgency;
  /** Why nothing reaches it. */
  readonly broken: string;
  /** What a webhook's calls are signed with: told once, when it is made. */
  readonly secret: string | undefined;
};

/** What a browser gives to be notified at. */
export type Subscription = { readonly endpoint: string; readonly keys: { readonly p256dh: string; readonly auth: string } };

export type NewTarget =
  | { readonly channel: "push"; readonly subscription: Subscription; readonly least_urgency?: Urgency }
  | { readonly channel: "email" | "webhook"; readonly address: string; readonly least_urgency?: Urgency };

export function readTarget(value: unknown): Target | undefined {
  const fields = fieldsOf(value);
  const id = textOf(fields["target_id"]);
  if (id === "") return undefined;
  return {
    target_id: id,
    channel: textOf(fields["channel"]),
    address: textOf(fields["address"]),
    least_urgency: wordOf(fields["least_urgency"], URGENCIES, "low"),
    broken: textOf(fields["broken"]),
    secret: textOf(fields["secret"]) || undefined,
  };
}

const CHANNELS: ReadonlyMap<string, string> = new Map([
  ["push", "Browser"],
  ["email", "E-mail"],
  ["webhook", "Webhook"],
]);

export function nameOfChannel(channel: string): string {
  return CHANNELS.get(channel) ?? channel;
}

/** What is told there, by its least urgency. */
export const REACHES: Readonly<Record<Urgency, string>> = {
  low: "everything",
  normal: "normal and up",
  high: "important and up",
  urgent: "urgent only",
};
