/** What `/health` says, for a person who wants to know whether talking makes sense yet. */

export type HealthPart = {
  readonly name: string;
  readonly required: boolean;
  readonly state: "up" | "degraded" | "waiting" | "down";
  readonly detail: string;
};

export type HealthReport = {
  readonly ready: boolean;
  readonly parts?: readonly HealthPart[];
};

export type Readiness = {
  readonly ready: boolean;
  /** One sentence for each part that is not well, the necessary ones first. */
  readonly sentences: readonly string[];
};

/** The parts of the gateway, and what is missing without each. */
const PARTS: Readonly<Record<string, string>> = {
  brain: "The agent's mind is not there yet…",
  livekit: "LiveKit, which carries the voices, does not answer yet…",
  nats: "The bus between the parts does not answer yet…",
  postgres: "The memory does not answer yet…",
  redis: "The list of rooms does not answer yet…",
};

export function readinessOf(report: HealthReport): Readiness {
  const unwell = (report.parts ?? []).filter((part) => part.state !== "up");
  const ordered = [...unwell].sort((left, right) => Number(right.required) - Number(left.required));
  return { ready: report.ready, sentences: ordered.map(sentenceOf) };
}

function sentenceOf(part: HealthPart): string {
  // The mind says itself what it waits for.
  if (part.name === "brain" && /waits for .*\bllm\b/.test(part.detail)) return "The language model is still loading…";
  return PARTS[part.name] ?? `${part.name}: ${part.detail || part.state}`;
}
