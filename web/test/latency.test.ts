import { describe, expect, it } from "vitest";

import { barLength, latencyOf, spokenDuration } from "../src/conversation/latency";

describe("the bar of a turn", () => {
  it("shows every stage that took time, and what lies between them", () => {
    const latency = latencyOf({ endpointMs: 500, llmFirstTokenMs: 300, ttsFirstAudioMs: 100, totalMs: 1000 });
    expect(latency.totalMilliseconds).toBe(1000);
    expect(latency.stages.map(({ name, milliseconds }) => [name, milliseconds])).toEqual([
      ["silence", 500],
      ["thought", 300],
      ["voice", 100],
      ["rest", 100],
    ]);
  });

  it("is exactly full, also where stages overlap", () => {
    for (const metrics of [
      { endpointMs: 500, sttMs: 30, llmFirstTokenMs: 300, llmFirstChunkMs: 90, ttsFirstAudioMs: 100, totalMs: 1000 },
      { endpointMs: 700, sttMs: 600, totalMs: 1000 },
    ]) {
      const shares = latencyOf(metrics).stages.reduce((sum, stage) => sum + stage.share, 0);
      expect(shares).toBeCloseTo(1);
    }
  });

  it("is empty where nothing was measured, and takes no nonsense for time", () => {
    expect(latencyOf({})).toEqual({ totalMilliseconds: 0, stages: [] });
    expect(latencyOf({ endpointMs: -5, sttMs: Number.NaN, totalMs: 10 }).stages).toHaveLength(1);
  });

  it("is as long as its time beside the slowest, and two seconds fill it where all are quick", () => {
    expect(barLength(1_000, 1_000)).toBe(0.5);
    expect(barLength(1_000, 4_000)).toBe(0.25);
    expect(barLength(4_000, 4_000)).toBe(1);
    expect(barLength(9_000, 4_000)).toBe(1);
  });

  it("is said in the unit that reads well", () => {
    expect([spokenDuration(64.4), spokenDuration(999), spokenDuration(1_240)]).toEqual(["64 ms", "999 ms", "1.24 s"]);
  });
});
