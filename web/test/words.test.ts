import { describe, expect, it } from "vitest";

import { readinessOf, type HealthPart } from "../src/gateway/health";
import { absenceOf, microphoneProblem } from "../src/room/problems";
import { levelOf } from "../src/room/use-level";
import { byDay } from "../src/sessions/past";

const part = (name: string, state: HealthPart["state"], required = true, detail = ""): HealthPart => ({
  name,
  required,
  state,
  detail,
});

describe("before joining", () => {
  it("says what is still loading, the necessary first", () => {
    const found = readinessOf({
      ready: false,
      parts: [part("postgres", "down", false), part("nats", "up"), part("livekit", "waiting")],
    });
    expect(found.ready).toBe(false);
    expect(found.sentences).toEqual([
      "LiveKit, which carries the voices, does not answer yet…",
      "The memory does not answer yet…",
    ]);
  });

  it("knows what the mind waits for", () => {
    const mind = (detail: string) => readinessOf({ ready: true, parts: [part("brain", "down", false, detail)] }).sentences;
    expect(mind("nobody thinks: brain waits for llm")).toEqual(["The language model is still loading…"]);
    expect(mind("nobody thinks: brain waits for nats, llm")).toEqual(["The language model is still loading…"]);
    expect(mind("nobody thinks: no worker")).toEqual(["The agent's mind is not there yet…"]);
  });

  it("has nothing to say where everything is up, and the part's own words where it is unknown", () => {
    expect(readinessOf({ ready: true, parts: [part("brain", "up")] })).toEqual({ ready: true, sentences: [] });
    expect(readinessOf({ ready: true }).sentences).toEqual([]);
    expect(readinessOf({ ready: false, parts: [part("camera", "down", true, "no lens")] }).sentences).toEqual([
      "camera: no lens",
    ]);
  });
});

describe("in the room", () => {
  it("has a sentence for whatever a browser says about the microphone", () => {
    const named = (name: string) => microphoneProblem(Object.assign(new Error("x"), { name }));
    const sentences = ["NotAllowedError", "NotFoundError", "NotReadableError", "OddError"].map(named);
    expect(new Set(sentences).size).toBe(4);
    for (const sentence of sentences) expect(sentence).toContain("You can still type.");
    expect(microphoneProblem("no error at all")).toBe(sentences[3]);
  });

  it("is patient with an agent that has just left or is just coming", () => {
    expect(absenceOf(false, 3_000)).toBeUndefined();
    expect(absenceOf(false, 5_000)).toContain("longer than usual");
    expect(absenceOf(false, 15_000)).toContain("has not come");
    expect(absenceOf(true, 100)).toBeUndefined();
    expect(absenceOf(true, 2_000)).toContain("called back");
    expect(absenceOf(true, 20_000)).toContain("has not come back");
  });

  it("shows loudness as people hear it", () => {
    const sine = (amplitude: number) => Float32Array.from({ length: 960 }, (_, n) => amplitude * Math.sin(n / 5));
    expect(levelOf(new Float32Array(960))).toBe(0);
    expect(levelOf(sine(1))).toBe(1);
    const [quiet, loud] = [levelOf(sine(0.01)), levelOf(sine(0.1))];
    expect(quiet).toBeGreaterThan(0.2);
    expect(loud - quiet).toBeCloseTo(20 / 48, 1);
  });
});

describe("past sessions", () => {
  it("are grouped by day, in the order they come", () => {
    const session = (started_at: string) => ({
      session_id: started_at,
      room: null,
      started_at,
      last_at: started_at,
      turns: 1,
      first_words: "",
      title: "",
      summary: "",
      people: [],
    });
    const now = new Date(2026, 10, 21, 0, 30);
    const at = (day: number, hour: number) => new Date(2026, 10, day, hour).toISOString();
    const days = byDay([session(at(21, 0)), session(at(20, 23)), session(at(20, 1)), session(at(2, 12))], now);
    expect(days.map((day) => [day.name, day.sessions.length])).toEqual([
      ["Today", 1],
      ["Yesterday", 2],
      [expect.stringContaining("2"), 1],
    ]);
  });
});
