/** The gateway's HTTP API, as far as this page uses it. Everything that goes wrong is a `GatewayError` with a sentence. */

import { readExpiry, readToken, type PageToken } from "../access/page-token";
import {
  readNotification,
  readWishReply,
  type Notification,
  type Wish,
  type WishReply,
} from "../notifications/notification";
import { readRule, type Rule } from "../preferences/rule";
import { readSettings, type KnownSettings, type Settings } from "../preferences/settings";
import { readTarget, type NewTarget, type Target } from "../preferences/target";
import { readTask, type Task, type TaskAction } from "../tasks/task";
import { fieldsOf, pageOf, wholeNumberOf, type Page } from "./fields";
import type { HealthReport } from "./health";

export type Me = { readonly person: string | null; readonly name: string | null };

export type RoomTicket = {
  readonly server_url: string;
  readonly participant_token: string;
  readonly room_name: string;
};

export type SessionSummary = {
  readonly session_id: string;
  readonly room: string | null;
  readonly started_at: string;
  readonly last_at: string;
  readonly turns: number;
  readonly first_words: string;
  /** What it was about, written once it was over for a while; empty before. */
  readonly title: string;
  readonly summary: string;
  readonly people: readonly string[];
};

export type SessionPage = { readonly data: readonly SessionSummary[]; readonly has_more: boolean };

export type SessionTurn = {
  readonly turn_id: string;
  readonly person_name: string | null;
  readonly modality: string;
  readonly words: string;
  readonly answer: string;
  /** What of the answer reached the person: its beginning. */
  readonly heard: string;
  readonly status: string;
  readonly started_at: string;
};

export type RoomControl =
  | { readonly look: object }
  | { readonly interrupt: object }
  | { readonly mute: { readonly muted: boolean } }
  | { readonly offTheRecord: { readonly off: boolean } };

/** How the room is after it. In this JSON `false` may be left out. */
export type RoomControlReply = { readonly muted?: boolean; readonly offTheRecord?: boolean };

export type Trouble = "unreachable" | "expired" | "forbidden" | "absent" | "refused";

export class GatewayError extends Error {
  override readonly name = "GatewayError";

  constructor(
    readonly trouble: Trouble,
    message: string,
  ) {
    super(message);
  }
}

/** What went wrong, for a person. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Longer than any answer of the gateway takes; a server that is silent for so long is away. */
const PATIENCE = 10_000;

export class Gateway {
  constructor(
    private readonly token: () => string | undefined,
    /** Told when the gateway no longer knows the token. */
    private readonly onExpired: () => void = () => undefined,
  ) {}

  me(): Promise<Me> {
    return this.ask("GET", "v1/me");
  }

  rename(name: string): Promise<Me> {
    return this.ask("PATCH", "v1/me", { name });
  }

  ticket(room: string, name: string): Promise<RoomTicket> {
    return this.ask("POST", "v1/rooms/token", { room_name: room, ...(name === "" ? {} : { participant_name: name }) });
  }

  control(room: string, control: RoomControl): Promise<RoomControlReply> {
    return this.ask("POST", `v1/rooms/${encodeURIComponent(room)}/control`, control);
  }

  sessions(before?: string): Promise<SessionPage> {
    const query = new URLSearchParams({ limit: "30", ...(before === undefined ? {} : { before }) });
    return this.ask("GET", `v1/sessions?${query.toString()}`);
  }

  async session(id: string): Promise<readonly SessionTurn[]> {
    const answer = await this.ask<{ turns: SessionTurn[] }>("GET", `v1/sessions/${encodeURIComponent(id)}`);
    return answer.turns;
  }

  /** The newest ones, or those before one of them. */
  async notifications(query: { unseen?: boolean; limit: number; before?: string }): Promise<Page<Notification>> {
    const { unseen, limit, before } = query;
    const parameters = new URLSearchParams({
      limit: String(limit),
      ...(unseen === true ? { unseen: "true" } : {}),
      ...(before === undefined ? {} : { before }),
    });
    return pageOf(await this.ask("GET", `v1/notifications?${parameters.toString()}`), readNotification);
  }

  async wish(notificationId: string, wish: Wish): Promise<WishReply> {
    return readWishReply(await this.ask("POST", `v1/notifications/${encodeURIComponent(notificationId)}`, wish));
  }

  async rules(): Promise<readonly Rule[]> {
    return pageOf(await this.ask("GET", "v1/notifications/rules"), readRule).data;
  }

  async forgetRule(id: string): Promise<void> {
    await this.ask("DELETE", `v1/notifications/rules/${encodeURIComponent(id)}`);
  }

  async settings(): Promise<KnownSettings> {
    return readSettings(await this.ask("GET", "v1/notifications/settings"));
  }

  async changeSettings(settings: Settings): Promise<KnownSettings> {
    return readSettings(await this.ask("PUT", "v1/notifications/settings", settings));
  }

  async targets(): Promise<readonly Target[]> {
    return pageOf(await this.ask("GET", "v1/notifications/targets"), readTarget).data;
  }

  async addTarget(target: NewTarget): Promise<Target> {
    const added = readTarget(await this.ask("POST", "v1/notifications/targets", target));
    if (!added) throw new GatewayError("refused", "The gateway does not say what it has added.");
    return added;
  }

  async removeTarget(id: string): Promise<void> {
    await this.ask("DELETE", `v1/notifications/targets/${encodeURIComponent(id)}`);
  }

  /** Tasks in some states, or in all where none is named. */
  async tasks(states: readonly string[], limit: number): Promise<Page<Task>> {
    const parameters = new URLSearchParams({
      limit: String(limit),
      ...(states.length === 0 ? {} : { state: states.join(",") }),
    });
    return pageOf(await this.ask("GET", `v1/tasks?${parameters.toString()}`), readTask);
  }

  /** How many tasks it changed. */
  async controlTask(action: TaskAction, jobId: string): Promise<number> {
    const reply = await this.ask("POST", "v1/tasks/control", { action, job_id: jobId });
    return wholeNumberOf(fieldsOf(reply)["changed"]);
  }

  /** A socket that tells what happens. Browsers can't set its headers, so the token is one of its protocols. */
  openEvents(): WebSocket {
    const address = new URL("ws", document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const token = this.token();
    return new WebSocket(address, ["aether.events", ...(token === undefined ? [] : [`aether.token.${token}`])]);
  }

  /** A fresh token for the one that is used, or for an API key. */
  async renew(): Promise<PageToken> {
    const answer = await this.ask<{ token: string; expires_at: unknown }>("POST", "v1/page-tokens", {});
    return { text: answer.token, expiresAt: readExpiry(answer.expires_at) ?? readToken(answer.token).expiresAt };
  }

  private async ask<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const token = this.token();
    const response = await reach(path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (response.ok) return (await response.json()) as T;
    const error = await refusal(response);
    if (error.trouble === "expired") this.onExpired();
    throw error;
  }
}

/** How the services are. Answers without a token, ready or not. */
export async function health(): Promise<HealthReport> {
  const response = await reach("health", {});
  return (await response.json().catch(() => {
    throw new GatewayError("refused", "The gateway does not say how it is.");
  })) as HealthReport;
}

async function reach(path: string, request: RequestInit): Promise<Response> {
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    return await fetch(path, { ...request, cache: "no-store", credentials: "omit", signal });
  } catch {
    throw new GatewayError("unreachable", "The gateway does not answer. Is Aether still running?");
  }
}

async function refusal(response: Response): Promise<GatewayError> {
  const body: unknown = await response.json().catch(() => undefined);
  const told = (body as { error?: { message?: unknown } } | undefined)?.error?.message;
  const message = typeof told === "string" && told !== "" ? told : `The gateway refused with status ${response.status}.`;
  return new GatewayError(troubleOf(response.status), message);
}

function troubleOf(status: number): Trouble {
  if (status === 401) return "expired";
  if (status === 403) return "forbidden";
  if (status === 404) return "absent";
  // What stands between us and the gateway answers so when the gateway is gone.
  return status === 502 ? "unreachable" : "refused";
}
