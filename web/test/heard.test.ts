import { describe, expect, it } from "vitest";

import { splitAtBytes, splitAtText } from "../src/conversation/heard";
import { splitOf } from "../src/sessions/past";

describe("what was heard of an answer", () => {
  it.each([
    ["Hello there.", 5, "Hello", " there."],
    ["Hello", 0, "", "Hello"],
    ["Hello", 99, "Hello", ""],
    ["", 3, "", ""],
    ["Grüße", 4, "Grü", "ße"],
    ["Grüße", 3, "Gr", "üße"],
    ["5 € more", 5, "5 €", " more"],
    ["a😀b", 5, "a😀", "b"],
    ["a😀b", 4, "a", "😀b"],
  ])("%s after %i bytes", (text, bytes, heard, unheard) => {
    expect(splitAtBytes(text, bytes)).toEqual({ heard, unheard });
  });

  it("agrees with the encoder on every boundary", () => {
    const text = "Grüße, 你好, 😀 and é";
    const encoder = new TextEncoder();
    for (let bytes = 0; bytes <= encoder.encode(text).length; bytes++) {
      const { heard, unheard } = splitAtBytes(text, bytes);
      expect(heard + unheard).toBe(text);
      expect(encoder.encode(heard).length).toBeLessThanOrEqual(bytes);
      const following = Array.from(unheard)[0];
      if (following !== undefined) expect(encoder.encode(heard + following).length).toBeGreaterThan(bytes);
    }
  });

  it("is the text that was told, where the answer begins with it", () => {
    expect(splitAtText("One. Two.", "One.")).toEqual({ heard: "One.", unheard: " Two." });
    expect(splitAtText("One. Two.", "Two.")).toBeUndefined();
  });

  it("is the whole of a past answer that nobody interrupted", () => {
    const turn = { turn_id: "1", person_name: null, modality: "voice", words: "", answer: "One. Two.", started_at: "" };
    expect(splitOf({ ...turn, status: "completed", heard: "" }).unheard).toBe("");
    expect(splitOf({ ...turn, status: "interrupted", heard: "One." }).unheard).toBe(" Two.");
    expect(splitOf({ ...turn, status: "interrupted", heard: "" }).unheard).toBe("One. Two.");
    expect(splitOf({ ...turn, answer: "", status: "interrupted", heard: "" })).toEqual({ heard: "", unheard: "" });
  });
});
