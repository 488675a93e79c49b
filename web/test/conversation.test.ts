import { describe, expect, it } from "vitest";

import { readEvent, type ClientEvent } from "../src/conversation/client-event";
import { next, NOTHING_SAID, slowest, type Answer, type Conversation, type Said } from "../src/conversation/conversation";

function after(...events: ClientEvent[]): Conversation {
  return continued(NOTHING_SAID, ...events);
}

function continued(conversation: Conversation, ...events: ClientEvent[]): Conversation {
  return events.reduce((so, event, index) => next(so, { kind: "told", event, now: index }), conversation);
}

const says = (speaker: string, text: string, final: boolean): ClientEvent => ({ transcript: { speaker, text, final } });
const piece = (turnId: string, text: string): ClientEvent => ({ turnId, textChunk: { text } });
const end = (turnId: string, reason: string): ClientEvent => ({ turnId, streamEnd: { reason } });
const texts = (conversation: Conversation) =>
  conversation.entries.map((entry) => (entry.kind === "answer" ? entry.heard + entry.unheard : entry.text));

describe("what a person says", () => {
  it("is one line from the first draft to the final words", () => {
    const drafted = after(says("ada", "What", false), says("ada", "What time", false));
    expect(drafted.entries).toMatchObject([{ text: "What time", stage: "draft" }]);
    const done = continued(drafted, says("ada", "What time is it?", true));
    expect(done.entries).toMatchObject([{ text: "What time is it?", stage: "final", key: drafted.entries[0]?.key }]);
  });

  it("does not change what was said before", () => {
    const done = after(says("ada", "One.", true), says("ada", "Tw", false), says("ada", "Two.", true));
    expect(texts(done)).toEqual(["One.", "Two."]);
  });

  it("is kept apart from what another says at the same time", () => {
    const both = after(says("ada", "I th", false), says("ben", "No", false), says("ada", "I think so.", true), says("ben", "No.", true));
    expect(both.entries).toMatchObject([
      { speaker: "ada", text: "I think so." },
      { speaker: "ben", text: "No." },
    ]);
  });

  it("vanishes when a draft comes to nothing", () => {
    const drafted = next(after(says("ada", "Uh", false)), { kind: "tick", now: 10_000 });
    expect(drafted.entries).toHaveLength(1);
    expect(next(drafted, { kind: "tick", now: 20_000 }).entries).toHaveLength(0);
    expect(after(says("ada", "Uh", false), says("ada", "", true)).entries).toHaveLength(0);
    const kept = after(says("ada", "Yes.", true));
    expect(next(kept, { kind: "tick", now: 1e9 })).toBe(kept);
  });
});

describe("what a person types", () => {
  const typed = next(NOTHING_SAID, { kind: "typed", speaker: "ada", text: "Hello ", now: 0 });
  const echo: ClientEvent = {
    transcript: { speaker: "ada", speakerName: "Ada", text: "Hello", final: true, modality: "text" },
  };

  it("is shown at once and becomes the agent's echo of it", () => {
    expect(typed.entries).toMatchObject([{ text: "Hello ", stage: "sending", typed: true }]);
    expect(continued(typed, echo).entries).toMatchObject([{ text: "Hello", stage: "final", typed: true, name: "Ada" }]);
  });

  it("appears also where it was typed elsewhere, and twice if typed twice", () => {
    expect(after(echo).entries).toMatchObject([{ text: "Hello", stage: "final" }]);
    expect(continued(typed, echo, echo).entries).toHaveLength(2);
  });

  it("is taken back when it can't be sent", () => {
    expect(next(typed, { kind: "unsent", text: "Hello" }).entries).toHaveLength(0);
  });

  it("does not end what the same person is saying", () => {
    const both = after(says("ada", "I was", false), echo, says("ada", "I was saying.", true));
    expect(both.entries.map((entry) => (entry as Said).typed)).toEqual([false, true]);
  });
});

describe("an answer", () => {
  it("grows piece by piece and ends", () => {
    const answered = after(piece("1", "It is "), piece("1", "noon."), end("1", "completed"));
    expect(answered.entries).toMatchObject([{ heard: "It is noon.", unheard: "", end: "completed" }]);
  });

  it("is grey from where it was interrupted", () => {
    const cut = after(
      piece("1", "It is noon. The sun is high."),
      { turnId: "1", interrupted: { heardBytes: 11, heardText: "It is noon." } },
      end("1", "interrupted"),
    );
    expect(cut.entries).toMatchObject([{ heard: "It is noon.", unheard: " The sun is high.", end: "interrupted" }]);
  });

  it("is all grey where nothing was heard: defaults are left out of the JSON", () => {
    const cut = after(piece("1", "It is noon."), { turnId: "1", interrupted: {} });
    expect(cut.entries).toMatchObject([{ heard: "", unheard: "It is noon." }]);
  });

  it("counts bytes where the heard text is not told", () => {
    const cut = after(piece("1", "Grüße. Bye."), { turnId: "1", interrupted: { heardBytes: 8 } });
    expect(cut.entries).toMatchObject([{ heard: "Grüße.", unheard: " Bye." }]);
  });

  it("stays where it was when it is told about later", () => {
    const two = after(piece("1", "One"), end("1", "interrupted"), piece("2", "Two"), {
      turnId: "1",
      turnMetrics: { totalMs: 900 },
    });
    expect((two.entries[0] as Answer).metrics?.totalMs).toBe(900);
    expect(slowest(two)).toBe(900);
    expect(texts(two)).toEqual(["One", "Two"]);
  });

  it("is broken off when the agent goes, or begins another", () => {
    const open = after(piece("1", "One"));
    expect(next(open, { kind: "agentLeft" }).entries).toMatchObject([{ end: "lost" }]);
    expect(continued(open, piece("2", "Two")).entries).toMatchObject([{ end: "lost" }, { end: "open" }]);
    const done = after(piece("1", "One"), end("1", "completed"));
    expect(next(done, { kind: "agentLeft" })).toBe(done);
  });
});

describe("what the agent tells beside its answers", () => {
  it("names a part that is away until it is back", () => {
    const away = after({ status: { code: "tts_unavailable", message: "x" } });
    expect([...away.troubles.keys()]).toEqual(["tts_unavailable"]);
    expect(continued(away, { status: { code: "tts_available", message: "" } }).troubles.size).toBe(0);
  });

  it("shows the message of a code that this page does not know", () => {
    const told = after({ status: { code: "from_the_future", message: "The lights are on." } });
    expect(texts(told)).toEqual(["The lights are on."]);
  });

  it("says once that nothing is kept, and once that it is again", () => {
    const off: ClientEvent = { status: { code: "off_the_record" } };
    const first = after(off, off);
    expect([first.offTheRecord, first.entries.length]).toEqual([true, 1]);
    expect(next(first, { kind: "record", off: true, now: 0 })).toBe(first);
    const on = continued(first, { status: { code: "on_the_record" } });
    expect([on.offTheRecord, on.entries.length]).toEqual([false, 2]);
  });

  it("knows that the agent is muted, whoever did it", () => {
    const muted = after({ status: { code: "muted", message: "I answer in writing only." } });
    expect([muted.voiceMuted, texts(muted)]).toEqual([true, ["From here the agent answers in writing only"]]);
    expect(muted.entries.map((entry) => entry.kind === "note" && entry.tone)).toEqual(["mark"]);
    const spoken = continued(muted, { status: { code: "unmuted", message: "I speak again." } });
    expect([spoken.voiceMuted, spoken.entries.length]).toEqual([false, 2]);
    const silenced = next(spoken, { kind: "voice", muted: true });
    expect([silenced.voiceMuted, silenced.entries.length]).toEqual([true, 2]);
    expect(next(silenced, { kind: "voice", muted: true })).toBe(silenced);
  });

  it("keeps in view only what the agent says is over when it is", () => {
    const codes = ["stt_unavailable", "memory_unavailable", "store_unavailable", "llm_unavailable", "tts_unavailable"];
    const told = after(...codes.map((code) => ({ status: { code, message: "x" } })));
    expect([...told.troubles.keys()]).toEqual(["llm_unavailable", "tts_unavailable"]);
    expect(texts(told)).toHaveLength(3);
  });

  it("turns looking into what was found", () => {
    const found = after(
      { status: { code: "looking", message: "Let me look." } },
      { toolResult: { name: "current_time", ok: true, summary: "noon" } },
      { toolResult: { name: "water_plants", summary: "no can" } },
    );
    expect(texts(found)).toEqual(["Looked up the time", "Could not use water plants"]);
  });

  it("is nothing where it can't be read", () => {
    const encoder = new TextEncoder();
    expect(readEvent(encoder.encode("not json"))).toBeUndefined();
    expect(readEvent(encoder.encode("[1]"))).toBeUndefined();
    expect(readEvent(encoder.encode('"text"'))).toBeUndefined();
    expect(readEvent(encoder.encode('{"room":"home","later":{}}'))).toMatchObject({ room: "home" });
    const odd = after({ room: "home" }, { turnId: "9", streamEnd: {} }, { turnId: "9", interrupted: {} }, { transcript: {} });
    expect(odd.entries).toHaveLength(0);
  });

  it("stays light however long it lasts", () => {
    const many = Array.from({ length: 1_000 }, (_, index) => says("ada", `${index}`, true));
    const long = after(...many);
    expect(long.entries.length).toBe(400);
    expect(new Set(long.entries.map((entry) => entry.key)).size).toBe(400);
    expect(texts(long).at(-1)).toBe("999");
  });
});
