/**
 * A stand-in for the gateway, for working on the page's looks only: it knows one person, some past sessions and no room. What
 * the page can do is tried against the real gateway (e2e/conversation.mjs).
 */

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Plugin } from "vite";

import { inboxAnswer, openSocket, type InboxMood } from "./stand-in-inbox";

const HOUR = 3_600_000;

/** `loading`: not ready yet. `nothing` and `broken` are about the inbox; `telling`: a notification arrives. */
const MOODS = ["ready", "loading", "nothing", "broken", "telling"] as const;
let mood: (typeof MOODS)[number] = "ready";

export function standIn(): Plugin {
  return {
    name: "stand-in for the gateway",
    configureServer(server) {
      server.middlewares.use((request, response, pass) => {
        const { pathname: path, searchParams: query } = new URL(request.url ?? "/", "http://stand-in");
        if (path.startsWith("/stand-in/mood/")) mood = MOODS.find((known) => path.endsWith(known)) ?? "ready";
        const answer = answerOf(request.method ?? "GET", path, query);
        if (!answer) {
          pass();
          return;
        }
        response.statusCode = answer.status;
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(answer.body));
      });
      server.httpServer?.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
        if (request.url === "/ws") openSocket(request, socket, mood === "telling");
      });
    },
  };
}

function answerOf(method: string, path: string, query: URLSearchParams): { status: number; body: unknown } | undefined {
  const ok = (body: unknown) => ({ status: 200, body });
  if (path.startsWith("/stand-in/")) return ok({ mood });
  if (path === "/health") return ok(health());
  if (path === "/v1/me") return ok({ person: "ada", name: "Ada" });
  if (path === "/v1/page-tokens") return ok({ token: "aetherpage_e30.stand-in", expires_at: Date.now() / 1000 + 43_200 });
  if (path === "/v1/sessions") return ok({ data: sessions(), has_more: true });
  if (path.startsWith("/v1/sessions/")) return ok({ session_id: "1", turns: turns() });
  const inbox = inboxAnswer(method, path, query, inboxMood());
  if (inbox) return inbox;
  if (path.startsWith("/v1/")) {
    const message = `The stand-in has no ${method} ${path}.`;
    return { status: 503, body: { error: { message, type: "server_error", param: null, code: "unavailable" } } };
  }
  return undefined;
}

function inboxMood(): InboxMood {
  return mood === "nothing" || mood === "broken" ? mood : "full";
}

function health() {
  if (mood !== "loading") return { ready: true, parts: [{ name: "brain", required: true, state: "up", detail: "" }] };
  return {
    ready: false,
    parts: [
      { name: "brain", required: false, state: "down", detail: "nobody thinks: brain waits for llm" },
      { name: "livekit", required: false, state: "waiting", detail: "starting" },
    ],
  };
}

function sessions() {
  const ago = (hours: number) => new Date(Date.now() - hours * HOUR).toISOString();
  const session = (id: string, hours: number, turns: number, first: string, room: string | null, about = {}) => ({
    session_id: id,
    room,
    started_at: ago(hours),
    last_at: ago(hours - 0.2),
    turns,
    first_words: first,
    title: "",
    summary: "",
    people: ["Ada"],
    ...about,
  });
  return [
    session("1", 0.3, 4, "Let's plan the garden: I have two square metres by the south wall and no idea what grows there.", "home", {
      people: ["Ada", "Ben"],
    }),
    session("2", 2, 1, "What time is it in Lisbon?", null),
    session("3", 26, 3, "My dentist appointment is on Thursday at nine.", "home", {
      title: "The dentist on Thursday",
      summary: "Ada goes to the dentist on Thursday at nine, and could stop at the market by the bridge on the way back.",
    }),
    session("4", 76, 6, "Remember that my sister's birthday is in May.", "kitchen", { title: "A sister's birthday" }),
  ];
}

function turns() {
  const at = new Date(Date.now() - HOUR).toISOString();
  const turn = (id: string, modality: string, words: string, answer: string, status = "completed", heard = "") => ({
    turn_id: id,
    person_id: "ada",
    person_name: "Ada",
    modality,
    words,
    answer,
    heard,
    status,
    started_at: at,
    ended_at: at,
  });
  return [
    turn("1", "voice", "My dentist appointment is on Thursday at nine.", "Noted: the dentist, on Thursday at nine."),
    turn(
      "2",
      "voice",
      "What could I do on the way back?",
      "You could stop at the market by the bridge. On Thursdays they have fresh bread until noon, and the florist opens at ten.",
      "interrupted",
      "You could stop at the market by the bridge.",
    ),
    turn("3", "text", "Thanks. When was it again?", "On Thursday at nine."),
  ];
}
