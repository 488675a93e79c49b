/**
 * The conversation as the page shows it, made from what the agent tells. Pure: the same events give the same conversation.
 *
 * What a person says comes as drafts and one final text; a draft is replaced by the next of the same speaker. An answer comes
 * as pieces of one turn. A message that was typed here is shown at once and becomes the agent's echo of it.
 */

import type { ClientEvent, TurnMetrics } from "./client-event";
import { splitAtBytes, splitAtText } from "./heard";
import { noteOfTool, troubleOf, troubleThatEnds } from "./sentences";

export type Said = {
  readonly kind: "said";
  readonly key: string;
  /** Participant identity. */
  readonly speaker: string;
  readonly name: string;
  readonly text: string;
  readonly typed: boolean;
  /** `draft`: it may still change. `sending`: typed here, and not taken by the agent yet. */
  readonly stage: "draft" | "sending" | "final";
  readonly at: number;
};

export type Answer = {
  readonly kind: "answer";
  readonly key: string;
  readonly turn: string;
  readonly heard: string;
  /** What was not heard before somebody interrupted. */
  readonly unheard: string;
  readonly end: "open" | "completed" | "interrupted" | "error" | "lost";
  readonly metrics: TurnMetrics | undefined;
  readonly at: number;
};

export type Note = {
  readonly kind: "note";
  readonly key: string;
  readonly text: string;
  readonly detail: string;
  readonly tone: "looking" | "tool" | "mark" | "trouble";
  readonly at: number;
};

export type Entry = Said | Answer | Note;

export type Conversation = {
  readonly entries: readonly Entry[];
  readonly session: string | undefined;
  readonly offTheRecord: boolean;
  /** The agent answers in writing only. */
  readonly voiceMuted: boolean;
  /** Parts that are away: code and sentence. */
  readonly troubles: ReadonlyMap<string, string>;
  /** Numbers the entries. */
  readonly made: number;
};

export type Happening =
  | { readonly kind: "told"; readonly event: ClientEvent; readonly now: number }
  | { readonly kind: "typed"; readonly speaker: string; readonly text: string; readonly now: number }
  /** What was typed could not be sent. */
  | { readonly kind: "unsent"; readonly text: string }
  /** How the room is, as the agent's answer to a control says. */
  | { readonly kind: "record"; readonly off: boolean; readonly now: number }
  | { readonly kind: "voice"; readonly muted: boolean }
  /** The agent has gone: what it was saying ends here. */
  | { readonly kind: "agentLeft" }
  | { readonly kind: "tick"; readonly now: number }
  | { readonly kind: "begin" };

export const NOTHING_SAID: Conversation = {
  entries: [],
  session: undefined,
  offTheRecord: false,
  voiceMuted: false,
  troubles: new Map(),
  made: 0,
};

/** A draft of which nothing came: a noise that was no speech after all. */
const DRAFT_LASTS = 15_000;
/** A long conversation stays light: what is older is in the past sessions. */
const MOST_ENTRIES = 400;

export function next(conversation: Conversation, happening: Happening): Conversation {
  switch (happening.kind) {
    case "told":
      return told(conversation, happening.event, happening.now);
    case "typed":
      return add(conversation, {
        kind: "said",
        speaker: happening.speaker,
        name: "",
        text: happening.text,
        typed: true,
        stage: "sending",
        at: happening.now,
      });
    case "unsent": {
      const entries = conversation.entries.filter((entry) => !isSending(entry, happening.text));
      return { ...conversation, entries };
    }
    case "record":
      return record(conversation, happening.off, happening.now);
    case "voice":
      return conversation.voiceMuted === happening.muted ? conversation : { ...conversation, voiceMuted: happening.muted };
    case "agentLeft":
      return closeAnswers(conversation, "");
    case "tick": {
      const fresh = (entry: Entry) =>
        !(entry.kind === "said" && entry.stage === "draft" && happening.now - entry.at > DRAFT_LASTS);
      if (conversation.entries.every(fresh)) return conversation;
      return { ...conversation, entries: conversation.entries.filter(fresh) };
    }
    case "begin":
      return NOTHING_SAID;
  }
}

/** The slowest answer so far, in milliseconds. */
export function slowest(conversation: Conversation): number {
  const totals = conversation.entries.map((entry) => (entry.kind === "answer" ? (entry.metrics?.totalMs ?? 0) : 0));
  return Math.max(0, ...totals);
}

function told(conversation: Conversation, event: ClientEvent, at: number): Conversation {
  const known = event.sessionId ? { ...conversation, session: event.sessionId } : conversation;
  if (event.transcript) return transcript(known, event.transcript, at);
  if (event.textChunk) return piece(known, event.turnId ?? "", event.textChunk.text ?? "", at);
  if (event.interrupted) return interrupted(known, event.turnId ?? "", event.interrupted);
  if (event.turnMetrics) return changeAnswer(known, event.turnId ?? "", { metrics: event.turnMetrics });
  if (event.streamEnd) return ended(known, event.turnId ?? "", event.streamEnd.reason ?? "");
  if (event.status) return status(known, event.status.code ?? "", event.status.message ?? "", at);
  if (event.error) return status(known, event.error.code ?? "", event.error.message ?? "", at);
  if (event.toolResult) {
    const { name = "", ok = false, summary = "" } = event.toolResult;
    const note = { kind: "note", text: noteOfTool(name, ok), detail: summary, tone: "tool", at } as const;
    const looking = known.entries.findLastIndex((entry) => entry.kind === "note" && entry.tone === "looking");
    if (looking < 0) return add(known, note);
    // What the agent went to look for has been found.
    return { ...known, entries: known.entries.with(looking, { ...note, key: known.entries[looking]?.key ?? "" }) };
  }
  return known;
}

function transcript(conversation: Conversation, heard: NonNullable<ClientEvent["transcript"]>, at: number): Conversation {
  const speaker = heard.speaker ?? "";
  const typed = heard.modality === "text";
  const text = heard.text ?? "";
  const isFinal = heard.final ?? false;
  const said = { kind: "said", speaker, name: heard.speakerName ?? "", text, typed, at } as const;
  const replaced = conversation.entries.findLastIndex((entry) =>
    typed ? isSending(entry, text) && entry.speaker === speaker : isDraft(entry, speaker),
  );
  // What was no speech after all leaves nothing.
  if (text === "") return replaced < 0 ? conversation : without(conversation, replaced);
  const stage = isFinal || typed ? "final" : "draft";
  if (replaced < 0) return add(conversation, { ...said, stage });
  const entries = conversation.entries.with(replaced, { ...said, stage, key: conversation.entries[replaced]?.key ?? "" });
  return { ...conversation, entries };
}

function piece(conversation: Conversation, turn: string, text: string, at: number): Conversation {
  const answer = answerOf(conversation, turn);
  if (answer) return changeAnswer(conversation, turn, { heard: answer.heard + text });
  const begun = closeAnswers(conversation, turn);
  return add(begun, { kind: "answer", turn, heard: text, unheard: "", end: "open", metrics: undefined, at });
}

function interrupted(
  conversation: Conversation,
  turn: string,
  { heardBytes, heardText }: NonNullable<ClientEvent["interrupted"]>,
): Conversation {
  const answer = answerOf(conversation, turn);
  if (!answer) return conversation;
  const whole = answer.heard + answer.unheard;
  const byText = heardText ? splitAtText(whole, heardText) : undefined;
  const split = byText ?? splitAtBytes(whole, heardBytes ?? 0);
  return changeAnswer(conversation, turn, { ...split, end: "interrupted" });
}

function ended(conversation: Conversation, turn: string, reason: string): Conversation {
  const end = reason === "completed" || reason === "interrupted" ? reason : "error";
  return changeAnswer(conversation, turn, { end });
}

function status(conversation: Conversation, code: string, message: string, at: number): Conversation {
  if (code === "off_the_record") return record(conversation, true, at);
  if (code === "on_the_record") return record(conversation, false, at);
  if (code === "muted" || code === "unmuted") {
    const voiceMuted = code === "muted";
    const text = voiceMuted ? "From here the agent answers in writing only" : "The agent speaks again";
    return add({ ...conversation, voiceMuted }, { kind: "note", text, detail: "", tone: "mark", at });
  }
  const over = troubleThatEnds(code);
  if (over !== undefined) {
    if (!conversation.troubles.has(over)) return conversation;
    return { ...conversation, troubles: new Map([...conversation.troubles].filter(([known]) => known !== over)) };
  }
  const trouble = troubleOf(code, message);
  switch (trouble.lasting) {
    case "until it ends":
      return { ...conversation, troubles: new Map([...conversation.troubles, [code, trouble.sentence]]) };
    case "a moment":
      return add(conversation, { kind: "note", text: trouble.sentence, detail: "", tone: trouble.tone, at });
  }
}

function record(conversation: Conversation, off: boolean, at: number): Conversation {
  if (conversation.offTheRecord === off) return conversation;
  const text = off ? "Off the record from here: nothing is kept" : "On the record again";
  return add({ ...conversation, offTheRecord: off }, { kind: "note", text, detail: "", tone: "mark", at });
}

/** Whatever the agent was saying in another turn has ended, told or not. */
function closeAnswers(conversation: Conversation, turn: string): Conversation {
  const isLeftOpen = (entry: Entry) => entry.kind === "answer" && entry.end === "open" && entry.turn !== turn;
  if (!conversation.entries.some(isLeftOpen)) return conversation;
  const entries = conversation.entries.map((entry) => (isLeftOpen(entry) ? ({ ...entry, end: "lost" } as Answer) : entry));
  return { ...conversation, entries };
}

function changeAnswer(conversation: Conversation, turn: string, change: Partial<Answer>): Conversation {
  const index = conversation.entries.findLastIndex((entry) => entry.kind === "answer" && entry.turn === turn);
  const answer = conversation.entries[index];
  if (answer?.kind !== "answer") return conversation;
  return { ...conversation, entries: conversation.entries.with(index, { ...answer, ...change }) };
}

function answerOf(conversation: Conversation, turn: string): Answer | undefined {
  return conversation.entries.findLast((entry): entry is Answer => entry.kind === "answer" && entry.turn === turn);
}

type Unnumbered = Omit<Said, "key"> | Omit<Answer, "key"> | Omit<Note, "key">;

function add(conversation: Conversation, entry: Unnumbered): Conversation {
  const made = conversation.made + 1;
  const entries = [...conversation.entries, { ...entry, key: `entry-${made}` } as Entry];
  return { ...conversation, made, entries: entries.slice(-MOST_ENTRIES) };
}

function without(conversation: Conversation, index: number): Conversation {
  return { ...conversation, entries: conversation.entries.toSpliced(index, 1) };
}

function isDraft(entry: Entry, speaker: string): boolean {
  return entry.kind === "said" && entry.stage === "draft" && entry.speaker === speaker;
}

function isSending(entry: Entry, text: string): entry is Said {
  return entry.kind === "said" && entry.stage === "sending" && entry.text.trim() === text.trim();
}
