// What counts as fast, in seconds. `check.ts` compares those with a `stage` to the gateway's own table, which `/metrics/latency`
// judges by.

export interface Limit {
  p95: number;
  /** Its name in crates/gateway/src/latency.rs. */
  stage?: string;
}

export const LIMITS = {
  /** Last speech sample → first sound, without a GPU. */
  wholeTurn: { p95: 1, stage: "WholeTurn" },
  /** A written question's arrival → the first token of its answer. */
  chatFirstToken: { p95: 1.8, stage: "ChatFirstToken" },
  /** One decode of what somebody says. */
  transcription: { p95: 0.4, stage: "Stt" },
  /** Final transcript → first token. */
  firstToken: { p95: 0.8, stage: "LlmFirstToken" },
  /** First chunk sent to tts → its first sound. */
  firstAudio: { p95: 0.3, stage: "TtsFirstAudio" },
  /** The same, within tts and of every chunk. */
  chunk: { p95: 0.1 },
  /** Whether and when somebody is told what software tells. */
  notificationDecision: { p95: 1.2 },
} satisfies Record<string, Limit>;

/** The share of turns, decodes and so on that has to be within its limit. */
export const OBJECTIVE = 0.95;
