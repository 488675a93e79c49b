import { describe, expect, it } from "vitest";

import { countOf, EMPTY, next, type Happening, type Inbox } from "../src/inbox/inbox";
import { readNotification, type Notification } from "../src/notifications/notification";

function notification(id: string, state = "delivered"): Notification {
  const read = readNotification({ notification_id: id, state });
  if (!read) throw new Error("it has an id");
  return read;
}

const after = (...happenings: Happening[]): Inbox => happenings.reduce(next, EMPTY);
const arrived = (id: string): Happening => ({ kind: "arrived", notification: notification(id) });
const ids = (notifications: readonly Notification[]) => notifications.map(({ notification_id: id }) => id);

describe("the inbox", () => {
  it("counts what its person is meant to know and has not seen", () => {
    const data = ["delivered", "never", "digest", "waiting", "undecided", "undeliverable"].map((state) => notification(state, state));
    const inbox = after({ kind: "listed", page: { data, has_more: false } });
    expect(ids(inbox.unseen)).toEqual(["delivered", "undeliverable"]);
    expect(countOf(inbox)).toBe("2");
    expect(countOf({ ...inbox, hasMore: true })).toBe("2+");
    expect(countOf(next(next(inbox, { kind: "seen", id: "delivered" }), { kind: "seen", id: "undeliverable" }))).toBe("");
  });

  it("says no number that is longer than its sign", () => {
    const data = Array.from({ length: 100 }, (_, index) => notification(String(index)));
    expect(countOf(after({ kind: "listed", page: { data, has_more: true } }))).toBe("99+");
  });

  it("shows what arrives while the drawer is closed, a few at most, the latest first", () => {
    const inbox = after(arrived("1"), arrived("2"), arrived("3"), arrived("4"));
    expect(ids(inbox.toasts)).toEqual(["4", "3", "2"]);
    expect(inbox.unseen).toHaveLength(4);
    const faded = next(inbox, { kind: "faded", id: "3" });
    expect(ids(faded.toasts)).toEqual(["4", "2"]);
    expect(faded.unseen).toHaveLength(4);
  });

  it("shows nothing beside the open drawer, but has its list looked at again", () => {
    const open = after(arrived("1"), { kind: "opened" });
    expect(open.toasts).toEqual([]);
    const more = next(open, arrived("2"));
    expect(more.toasts).toEqual([]);
    expect(more.arrivals).toBe(open.arrivals + 1);
    expect(ids(next(next(more, { kind: "closed" }), arrived("3")).toasts)).toEqual(["3"]);
  });

  it("has one that is told again once", () => {
    const inbox = after(arrived("1"), arrived("2"), arrived("1"));
    expect(ids(inbox.unseen)).toEqual(["1", "2"]);
    expect(ids(inbox.toasts)).toEqual(["1", "2"]);
  });
});
