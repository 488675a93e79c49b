/** What has not been seen yet, what pops up, and whether the drawer with all of it is open. */

import type { Page } from "../gateway/fields";
import { isTold, type Notification } from "../notifications/notification";

export type Inbox = {
  readonly isOpen: boolean;
  readonly unseen: readonly Notification[];
  /** There are more than those. */
  readonly hasMore: boolean;
  /** The latest first. */
  readonly toasts: readonly Notification[];
  /** How many have arrived: a list that is shown is looked at again when this changes. */
  readonly arrivals: number;
};

export type Happening =
  | { readonly kind: "opened" }
  | { readonly kind: "closed" }
  | { readonly kind: "listed"; readonly page: Page<Notification> }
  | { readonly kind: "arrived"; readonly notification: Notification }
  | { readonly kind: "seen"; readonly id: string }
  | { readonly kind: "faded"; readonly id: string };

export const EMPTY: Inbox = { isOpen: false, unseen: [], hasMore: false, toasts: [], arrivals: 0 };

/** More at once would hide the page. Those left out are in the list. */
const MOST_TOASTS = 3;
/** What fits beside the bell. */
const MOST_COUNTED = 99;

export function next(inbox: Inbox, happening: Happening): Inbox {
  switch (happening.kind) {
    case "opened":
      return { ...inbox, isOpen: true, toasts: [] };
    case "closed":
      return { ...inbox, isOpen: false };
    case "listed":
      return { ...inbox, unseen: happening.page.data.filter(isTold), hasMore: happening.page.has_more };
    case "arrived": {
      const { notification } = happening;
      const before = without(inbox, notification.notification_id);
      return {
        ...before,
        unseen: [notification, ...before.unseen],
        toasts: inbox.isOpen ? [] : [notification, ...before.toasts].slice(0, MOST_TOASTS),
        arrivals: inbox.arrivals + 1,
      };
    }
    case "seen":
      return without(inbox, happening.id);
    case "faded":
      return { ...inbox, toasts: others(inbox.toasts, happening.id) };
  }
}

/** How many are unseen, for a small sign; empty for none. */
export function countOf({ unseen, hasMore }: Inbox): string {
  if (unseen.length > MOST_COUNTED) return `${MOST_COUNTED}+`;
  if (unseen.length === 0) return "";
  return hasMore ? `${unseen.length}+` : String(unseen.length);
}

function without(inbox: Inbox, id: string): Inbox {
  return { ...inbox, unseen: others(inbox.unseen, id), toasts: others(inbox.toasts, id) };
}

function others(notifications: readonly Notification[], id: string): readonly Notification[] {
  return notifications.filter((notification) => notification.notification_id !== id);
}
