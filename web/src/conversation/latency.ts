/** Where the time between a person's last word and the agent's first went, as lengths to draw. */

import type { TurnMetrics } from "./client-event";

export type Stage = {
  readonly name: "silence" | "transcript" | "thought" | "clause" | "voice" | "rest";
  /** What the time was spent on, in a few words. */
  readonly label: string;
  readonly milliseconds: number;
  /** Of the whole bar, 0 to 1. */
  readonly share: number;
};

export type Latency = {
  readonly totalMilliseconds: number;
  readonly stages: readonly Stage[];
};

/** A bar of full width stands for at least this much time, so that a quick answer looks quick. */
const FULL_BAR = 2_000;

export function latencyOf(metrics: TurnMetrics): Latency {
  const parts = [
    { name: "silence", label: "Waiting until you were done", milliseconds: count(metrics.endpointMs) },
    { name: "transcript", label: "Writing down what you said", milliseconds: count(metrics.sttMs) },
    { name: "thought", label: "Thinking of the first word", milliseconds: count(metrics.llmFirstTokenMs) },
    { name: "clause", label: "Finishing the first clause", milliseconds: count(metrics.llmFirstChunkMs) },
    { name: "voice", label: "Finding the voice", milliseconds: count(metrics.ttsFirstAudioMs) },
  ] as const;
  const known = parts.reduce((sum, part) => sum + part.milliseconds, 0);
  // Stages may overlap by a little; the bar is never longer than its parts.
  const total = Math.max(count(metrics.totalMs), known);
  const rest = { name: "rest", label: "Everything between", milliseconds: total - known } as const;
  const stages = [...parts, rest].filter((part) => part.milliseconds > 0);
  return {
    totalMilliseconds: total,
    stages: stages.map((part) => ({ ...part, share: part.milliseconds / total })),
  };
}

/** How much of the width a bar takes beside the slowest one of the conversation, 0 to 1. */
export function barLength(totalMilliseconds: number, slowestMilliseconds: number): number {
  return Math.min(1, totalMilliseconds / Math.max(FULL_BAR, slowestMilliseconds, 1));
}

/** `340 ms`, `1.24 s`. */
export function spokenDuration(milliseconds: number): string {
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(2)} s`;
}

function count(value: number | undefined): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}
