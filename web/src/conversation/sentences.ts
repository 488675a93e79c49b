/** What the agent's short codes mean, in sentences for a person. */

export type Trouble = {
  readonly sentence: string;
  /** `until it ends`: shown as long as it lasts. `a moment`: a line in the conversation. */
  readonly lasting: "until it ends" | "a moment";
  readonly tone: "looking" | "trouble";
};

/** What the agent says is over when it is. */
const AWAY: Readonly<Record<string, string>> = {
  llm_unavailable: "The agent can't think right now: its language model does not answer. It says so when it is back.",
  tts_unavailable: "The agent has lost its voice for now. Its answers are written here.",
};

const MOMENTS: Readonly<Record<string, string>> = {
  deadline_exceeded: "That took too long. Please ask again.",
  overloaded: "The agent is busy with other people. Please ask again in a moment.",
  stt_unavailable: "The agent could not hear that. Say it again, or type.",
  memory_unavailable: "The agent can't reach its memory right now. It answers without it.",
  store_unavailable: "What was said just now may not be kept.",
  internal: "Something went wrong at the agent's side. Please ask again.",
  unavailable: "A part that the agent needs is away. Please ask again in a moment.",
};

/** A status or an error, in words. Codes of a newer agent come with a message of their own. */
export function troubleOf(code: string, message: string): Trouble {
  const away = AWAY[code];
  if (away !== undefined) return { sentence: away, lasting: "until it ends", tone: "trouble" };
  if (code === "looking" || code === "waiting") {
    return { sentence: message || "One moment…", lasting: "a moment", tone: "looking" };
  }
  const sentence = MOMENTS[code] ?? (message || "Something went wrong. Please ask again.");
  return { sentence, lasting: "a moment", tone: "trouble" };
}

/** The trouble that a code such as `llm_available` ends. */
export function troubleThatEnds(code: string): string | undefined {
  return code.endsWith("_available") ? code.replace(/_available$/, "_unavailable") : undefined;
}

const TOOLS: Readonly<Record<string, readonly [done: string, failed: string]>> = {
  set_reminder: ["Set a reminder", "Could not set a reminder"],
  list_reminders: ["Looked up the reminders", "Could not look up the reminders"],
  cancel_reminder: ["Cancelled a reminder", "Could not cancel a reminder"],
  current_time: ["Looked up the time", "Could not look up the time"],
  recall: ["Looked through what it remembers", "Could not look through its memory"],
  remember: ["Remembered this", "Could not remember this"],
  forget: ["Forgot this", "Could not forget this"],
};

/** A tool that has run, as a short note. */
export function noteOfTool(name: string, ok: boolean): string {
  const known = TOOLS[name];
  if (known) return ok ? known[0] : known[1];
  const readable = name.replaceAll("_", " ") || "a tool";
  return ok ? `Used ${readable}` : `Could not use ${readable}`;
}
