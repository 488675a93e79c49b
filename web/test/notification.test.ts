import { describe, expect, it } from "vitest";

import { parseEvent } from "../src/conversation/client-event";
import { pageOf } from "../src/gateway/fields";
import { relativeTime } from "../src/inbox/relative-time";
import { linkOf, notificationOf, readNotification, readWishReply, type Notification } from "../src/notifications/notification";
import { originOf, statusOf, titleOf } from "../src/notifications/sentences";
import { minutesUntilTomorrow, SNOOZES } from "../src/notifications/snooze";

const NOW = new Date(2026, 10, 21, 15, 0);
const WHOLE: Notification = {
  notification_id: "n1",
  source: "github",
  kind: "build.failed",
  title: "The build failed",
  text: "3 of 412 tests.",
  url: "https://ci.example.org/1",
  urgency: "high",
  state: "delivered",
  reason: "nothing learned yet",
  due_at: null,
  created_at: "2026-11-21T14:00:00Z",
  seen_at: null,
  feedback: null,
};
const with_ = (part: Partial<Notification>): Notification => ({ ...WHOLE, ...part });

describe("a notification", () => {
  it("is read as it comes", () => {
    expect(readNotification(WHOLE)).toEqual(WHOLE);
  });

  it("is nothing without an id, whatever else it is", () => {
    for (const value of [undefined, null, 7, "n1", [], [WHOLE], {}, { notification_id: 7 }, { notification_id: "" }]) {
      expect(readNotification(value)).toBeUndefined();
    }
  });

  it("has defaults for what is missing or is something else", () => {
    const bare = readNotification({ notification_id: "n1" });
    const odd = readNotification({
      notification_id: "n1",
      source: 7,
      title: { toString: "x" },
      text: ["<b>"],
      url: null,
      urgency: "URGENT!!",
      state: "constructor",
      due_at: "soon",
      created_at: 1e99,
      feedback: "loved",
    });
    expect(odd).toEqual(bare);
    expect(bare).toMatchObject({ title: "", urgency: "unknown", state: "unknown", created_at: null, feedback: null });
  });

  it("leads to a page on the web, and nowhere else", () => {
    expect(linkOf(WHOLE)).toBe("https://ci.example.org/1");
    expect(linkOf(with_({ url: "HTTP://example.org" }))).toBe("http://example.org/");
    const others = ["", "javascript:alert(1)", " JavaScript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "//example.org", "/v1/me", "blob:https://x", "nonsense"];
    for (const url of others) expect(linkOf(with_({ url }))).toBeUndefined();
  });

  it("comes in pages, of which the legible part is shown", () => {
    expect(pageOf({ data: [WHOLE, null, {}], has_more: true }, readNotification)).toEqual({ data: [WHOLE], has_more: true });
    for (const value of [null, [], { data: {} }, { has_more: "yes" }]) {
      expect(pageOf(value, readNotification)).toEqual({ data: [], has_more: false });
    }
  });

  it("comes back after a wish with what was learned, if anything was", () => {
    expect(readWishReply({ notification: WHOLE, rule: null })).toEqual({ notification: WHOLE, rule: undefined });
    expect(readWishReply({ rule: { rule_id: "r1", decision: "never" } }).rule).toMatchObject({ decision: "never", source: "" });
    expect(readWishReply("")).toEqual({ notification: undefined, rule: undefined });
  });
});

describe("a notification that an event tells", () => {
  const told = (notification: unknown) => notificationOf(parseEvent(JSON.stringify({ people: ["ada"], notification })) ?? {});

  it("is the same as a listed one, unseen", () => {
    const event = {
      notificationId: "n1",
      source: "github",
      kind: "build.failed",
      title: "The build failed",
      text: "3 of 412 tests.",
      url: "https://ci.example.org/1",
      urgency: "HIGH",
      reason: "nothing learned yet",
      createdUnixMs: String(Date.parse("2026-11-21T14:00:00Z")),
    };
    expect(told(event)).toEqual({ ...WHOLE, created_at: "2026-11-21T14:00:00.000Z" });
  });

  it("may lack all that has its default", () => {
    expect(told({ notificationId: "n1" })).toMatchObject({ urgency: "unknown", title: "", created_at: null });
    expect(told({ notificationId: "n1", createdUnixMs: "9".repeat(30) })).toMatchObject({ created_at: null });
  });

  it("is none in other events and in what is no event", () => {
    expect(notificationOf({ transcript: { text: "Hello" } })).toBeUndefined();
    expect(told("n1")).toBeUndefined();
    for (const text of ["", "[]", "null", "{", '"text"']) expect(parseEvent(text)).toBeUndefined();
  });
});

describe("what is said about a notification", () => {
  it("is what has become of it, and what its person said", () => {
    const later = new Date(NOW.getTime() + 600_000).toISOString();
    expect(statusOf(with_({ state: "waiting", due_at: later }), NOW)).toBe("You are told in 10 minutes");
    expect(statusOf(with_({ state: "waiting" }), NOW)).toBe("Waits");
    expect(statusOf(with_({ state: "digest", feedback: "dismissed" }), NOW)).toBe("In the next digest · Dismissed");
    expect(statusOf(with_({ state: "unknown" }), NOW)).toBe("");
  });

  it("is where it is from, without what is not known", () => {
    const minuteAgo = new Date(NOW.getTime() - 60_000).toISOString();
    expect(originOf(with_({ created_at: minuteAgo }), NOW)).toBe("github · build.failed · 1 minute ago · important");
    expect(originOf(with_({ source: "", created_at: null, urgency: "unknown" }), NOW)).toBe("build.failed");
  });

  it("has a title in any case", () => {
    expect(titleOf(with_({ title: " " }))).toBe("build.failed");
    expect(titleOf(with_({ title: "", kind: "", source: "" }))).toBe("Without a title");
  });
});

describe("a time from now", () => {
  const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];
  it.each([
    [0, "just now"],
    [-44 * SECOND, "just now"],
    [30 * SECOND, "in a moment"],
    [-50 * SECOND, "1 minute ago"],
    [59 * MINUTE, "in 59 minutes"],
    [-59.8 * MINUTE, "1 hour ago"],
    [-14 * HOUR, "14 hours ago"],
    [11 * HOUR, "in 11 hours"],
    [-16 * HOUR, "yesterday"],
    [20 * HOUR, "tomorrow"],
    [-3 * DAY, "3 days ago"],
  ])("after %d ms is said as: %s", (distance, expected) => {
    expect(relativeTime(new Date(NOW.getTime() + distance).toISOString(), NOW)).toBe(expected);
  });

  it("is a day where that is further than people count", () => {
    expect(relativeTime(new Date(2026, 10, 2).toISOString(), NOW)).toMatch(/^\D*2\D*$/);
    expect(relativeTime(new Date(2025, 3, 4).toISOString(), NOW)).toContain("2025");
    expect(relativeTime(new Date(2027, 3, 4).toISOString(), NOW)).toMatch(/^on .*2027/);
  });

  it("is nothing where no time is known", () => {
    for (const time of [null, "", "soon"]) expect(relativeTime(time, NOW)).toBe("");
  });
});

describe("putting off", () => {
  it("until tomorrow is until eight o'clock of the next day", () => {
    expect(minutesUntilTomorrow(new Date(2026, 10, 21, 15, 0))).toBe(17 * 60);
    expect(minutesUntilTomorrow(new Date(2026, 10, 21, 23, 59, 30))).toBe(8 * 60 + 1);
    expect(minutesUntilTomorrow(new Date(2026, 11, 31, 8, 0))).toBe(24 * 60);
  });

  it("is never for longer, or shorter, than the gateway takes", () => {
    for (let hour = 0; hour < 24 * 400; hour += 7) {
      for (const { minutes } of SNOOZES) {
        const asked = minutes(new Date(2026, 0, 1, hour, 13, 7));
        expect(Number.isInteger(asked) && asked >= 1 && asked <= 10_080).toBe(true);
      }
    }
  });
});
