/** What the stand-in answers about notifications, tasks and preferences. It keeps nothing that is changed. */

import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

const MINUTE = 60_000;
const from = (minutes: number) => new Date(Date.now() + minutes * MINUTE).toISOString();

type Answer = { status: number; body: unknown };
const ok = (body: unknown): Answer => ({ status: 200, body });

export type InboxMood = "full" | "nothing" | "broken";

export function inboxAnswer(method: string, path: string, query: URLSearchParams, mood: InboxMood): Answer | undefined {
  if (!/^\/v1\/(notifications|tasks)\b/.test(path)) return undefined;
  if (mood === "broken") {
    const message = "the database does not answer; try again in a moment";
    return { status: 503, body: { error: { message, type: "server_error", param: null, code: "unavailable" } } };
  }
  const list = (data: readonly unknown[], has_more = false) => ok(mood === "nothing" ? { data: [], has_more: false } : { data, has_more });
  if (path === "/v1/notifications/settings") return ok(SETTINGS);
  if (path === "/v1/notifications/rules") return list(RULES);
  if (path === "/v1/notifications/targets") return method === "POST" ? ok(NEW_WEBHOOK) : list(TARGETS);
  if (path === "/v1/notifications") {
    const onlyUnseen = query.has("unseen");
    return list(onlyUnseen ? notifications().filter(({ seen_at }) => seen_at === null) : notifications(), !onlyUnseen);
  }
  if (path === "/v1/tasks/control") return ok({ changed: 1 });
  if (path === "/v1/tasks") {
    const states = query.get("state")?.split(",");
    return list(tasks().filter(({ state }) => states?.includes(state) ?? true));
  }
  if (method === "DELETE") return ok({ deleted: true });
  const id = path.split("/").at(-1);
  const notification = notifications().find((known) => known.notification_id === id);
  return ok({ notification: { ...notification, feedback: "muted", seen_at: from(0) }, rule: RULES[1] });
}

function notifications() {
  const notification = (id: string, minutes: number, state: string, title: string, text: string, more: { seen_at?: null; [field: string]: unknown } = {}) => ({
    notification_id: id,
    source: "github",
    kind: "build.failed",
    title,
    text,
    url: "",
    urgency: "normal",
    state,
    reason: "nothing learned yet, so it is told at once",
    due_at: null,
    created_at: from(-minutes),
    seen_at: from(-minutes + 1) as string | null,
    feedback: null,
    ...more,
  });
  return [
    notification("n1", 2, "delivered", "The build of main failed", "3 of 412 tests fail, all in the scheduler.", {
      url: "https://ci.example.org/builds/1042",
      urgency: "high",
      seen_at: null,
    }),
    notification("n2", 11, "waiting", "A package arrives", "Between 14:00 and 16:00.", {
      source: "post",
      kind: "package.near",
      reason: "you asked for later",
      due_at: from(42),
      seen_at: null,
    }),
    notification("n3", 200, "digest", "Five new comments", "On “Rooms that remember their light”.", {
      kind: "comment.new",
      reason: "you dismissed such 3 times",
      url: "javascript:alert(1)",
    }),
    notification("n4", 1_500, "never", "Weekly statistics", "", {
      source: "metrics",
      kind: "weekly",
      reason: "you never want to be told",
      feedback: "muted",
    }),
    notification(
      "n5",
      4_400,
      "undeliverable",
      "A_title_without_a_single_space_that_is_much_longer_than_any_phone_is_wide_0123456789",
      "<b>No markup</b> is followed here.",
      { source: "webhook", kind: "unknown", reason: "the mail server refused the address" },
    ),
  ];
}

function tasks() {
  const task = (id: string, kind: string, state: string, due: number, updated: number, more: object = {}) => ({
    job_id: id,
    kind,
    state,
    priority: "P1",
    reason: "",
    due_at: from(due),
    created_at: from(-300),
    updated_at: from(-updated),
    payload: {},
    ...more,
  });
  return [
    task("t1", "reminder", "SCHEDULED", 95, 30, { payload: { about: "take the bread out of the oven" } }),
    task("t2", "report", "EXECUTING", -1, 0.5),
    task("t3", "mail", "RETRYING", 4, 1, { reason: "the mail server did not answer within 10 s" }),
    task("t4", "report", "HUMAN_REVIEW", -90, 60, { reason: "tried 5 times: the table “usage” does not exist" }),
    task("t5", "reminder", "COMMITTED", -1_600, 1_600, { payload: { about: "call the dentist" } }),
  ];
}

const RULES = [
  rule("r1", "github", "comment.new", "digest", "you dismissed it 3 times", 3_000),
  rule("r2", "metrics", "weekly", "never", "you never want to be told", 1_400),
  rule("r3", "post", "package.near", "now", "you opened it 4 times within a minute", 20_000),
];

function rule(rule_id: string, source: string, kind: string, decision: string, reason: string, minutes: number) {
  return { rule_id, source, kind, decision, reason, learned_at: from(-minutes) };
}

const SETTINGS = {
  quiet_from: "22:00",
  quiet_until: "07:00",
  time_zone: "Europe/Berlin",
  digest_at: ["09:00", "18:00"],
  most_per_hour: 6,
  push_key: "BEl62iUYgUivxIkv69yViEuiBIa-Ib9-SkvMeAtA3LFgDzkrxZJjSgSnfckjBJuBkr3qBUYIHBQFLXYp5Nksh8U",
};

const TARGETS = [
  { target_id: "p1", channel: "push", address: "fcm.googleapis.com", least_urgency: "normal", broken: null },
  {
    target_id: "p2",
    channel: "email",
    address: "ada@example.org",
    least_urgency: "urgent",
    broken: "the mail server does not know this address",
  },
];

const NEW_WEBHOOK = {
  target_id: "p3",
  channel: "webhook",
  address: "https://example.org/hook",
  least_urgency: "normal",
  broken: null,
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
};

/** The gateway's socket, of which it tells one notification a moment after it has opened, or none. */
export function openSocket(request: IncomingMessage, socket: Duplex, tells: boolean): void {
  const key = `${request.headers["sec-websocket-key"] ?? ""}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  socket.on("error", () => socket.destroy());
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Protocol: aether.events\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  if (!tells) return;
  setTimeout(() => {
    const text = Buffer.from(JSON.stringify(toldEvent()));
    // An unmasked text frame of a length that needs two bytes.
    const head = Buffer.from([0x81, 126, text.length >> 8, text.length & 0xff]);
    socket.write(Buffer.concat([head, text]));
  }, 300);
}

function toldEvent() {
  return {
    people: ["ada"],
    atUnixUs: String(Date.now() * 1_000),
    notification: {
      notificationId: "n9",
      source: "github",
      kind: "build.failed",
      title: "The build of main failed",
      text: "3 of 412 tests fail, all in the scheduler. The first to fail says that a job was claimed twice.",
      url: "https://ci.example.org/builds/1042",
      urgency: "HIGH",
      reason: "nothing learned yet, so it is told at once",
      createdUnixMs: String(Date.now()),
    },
  };
}
