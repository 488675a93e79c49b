/** A task: what it is about, where it stands, and what can be done about it. */

import { fieldsOf, textOf, timeOf } from "../gateway/fields";

export type Task = {
  readonly job_id: string;
  readonly kind: string;
  /** One of the eleven states of proto/aether/v1/job.proto. */
  readonly state: string;
  readonly reason: string;
  /** In the person's own words, where its payload has some. */
  readonly about: string;
  readonly due_at: string | null;
  readonly updated_at: string | null;
};

export function readTask(value: unknown): Task | undefined {
  const fields = fieldsOf(value);
  const id = textOf(fields["job_id"]);
  if (id === "") return undefined;
  return {
    job_id: id,
    kind: textOf(fields["kind"]),
    state: textOf(fields["state"]),
    reason: textOf(fields["reason"]),
    about: textOf(fieldsOf(fields["payload"])["about"]),
    due_at: timeOf(fields["due_at"]),
    updated_at: timeOf(fields["updated_at"]),
  };
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ["reminder", "Reminder"],
  ["notification_decision", "Judging a notification"],
  ["notification_delivery", "Delivering a notification"],
  ["notification_digest", "Digest"],
  ["fact_extraction", "Looking for facts in what you said"],
  ["session_summary", "Summary of a conversation"],
  ["missed_turns", "Looking for what was missed"],
  ["embedding_backfill", "Making memories that are missing"],
  ["retention", "Forgetting old tasks"],
  ["nothing", "Nothing, as a test"],
]);

export function nameOfKind(kind: string): string {
  return KINDS.get(kind) ?? (kind.replaceAll("_", " ") || "A task");
}

const STATES: ReadonlyMap<string, string> = new Map([
  ["PENDING", "Just asked for"],
  ["SCHEDULED", "Waits for its time"],
  ["EXECUTING", "Being done"],
  ["VERIFYING", "Being checked"],
  ["COMMITTED", "Done"],
  ["FAILED", "Failed"],
  ["RETRYING", "Failed, will be tried again"],
  ["ESCALATED", "Given up"],
  ["HUMAN_REVIEW", "Given up, needs you"],
  ["COMPENSATING", "Being undone"],
  ["ROLLED_BACK", "Cancelled"],
]);

const ENDED = ["COMMITTED", "ROLLED_BACK"];
/** In these `reason` says what went wrong. */
const WRONG = ["FAILED", "RETRYING", "ESCALATED", "HUMAN_REVIEW"];
/** In these the time it is due lies ahead, or would. */
const AHEAD = ["PENDING", "SCHEDULED", "RETRYING"];

/** Those that have not ended. */
export const OPEN_STATES: readonly string[] = [...STATES.keys()].filter((state) => !ENDED.includes(state));

export function nameOfState(state: string): string {
  return STATES.get(state) ?? (state.toLowerCase().replaceAll("_", " ") || "Unknown");
}

export function failureOf({ state, reason }: Task): string {
  return WRONG.includes(state) ? reason : "";
}

export function isAhead({ state }: Task): boolean {
  return AHEAD.includes(state);
}

export type TaskAction = "cancel" | "retry" | "replay";

/** What the scheduler would do in this state. */
export function actionsOf({ state }: Task): readonly TaskAction[] {
  const actions: TaskAction[] = [];
  if (state === "RETRYING") actions.push("retry");
  if (state === "HUMAN_REVIEW") actions.push("replay");
  if (!ENDED.includes(state) && state !== "COMPENSATING") actions.push("cancel");
  return actions;
}
