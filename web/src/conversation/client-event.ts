/**
 * What the agent tells this page: `aether.v1.ClientEvent` in the canonical JSON of proto/aether/v1/room.proto, as data packets
 * on the topic `aether.events`, or as text over the gateway's socket. In that JSON a field with its default value may be missing, so everything is optional here and
 * nothing is trusted.
 */

export const EVENTS_TOPIC = "aether.events";

export type TurnMetrics = {
  readonly endpointMs?: number;
  readonly sttMs?: number;
  readonly sttDecodeMs?: number;
  readonly llmFirstTokenMs?: number;
  readonly llmFirstChunkMs?: number;
  readonly ttsFirstAudioMs?: number;
  readonly totalMs?: number;
  readonly overheadUs?: number;
};

export type ClientEvent = {
  readonly room?: string;
  readonly sessionId?: string;
  readonly turnId?: string;
  /** Microseconds since 1970, as text. */
  readonly atUnixUs?: string;
  readonly transcript?: {
    readonly speaker?: string;
    readonly text?: string;
    readonly final?: boolean;
    readonly speakerName?: string;
    readonly modality?: string;
  };
  readonly textChunk?: { readonly index?: number; readonly text?: string };
  readonly status?: { readonly code?: string; readonly message?: string };
  readonly agentState?: { readonly state?: string };
  readonly interrupted?: { readonly heardBytes?: number; readonly heardText?: string };
  readonly turnMetrics?: TurnMetrics;
  readonly error?: { readonly code?: string; readonly message?: string };
  readonly streamEnd?: { readonly reason?: string };
  readonly toolResult?: {
    readonly callId?: string;
    readonly name?: string;
    readonly ok?: boolean;
    readonly summary?: string;
  };
  /** Only over the gateway's socket; see notifications/notification.ts. */
  readonly notification?: unknown;
};

const decoder = new TextDecoder();

/** What a packet says; nothing, where it is no event. */
export function readEvent(packet: Uint8Array): ClientEvent | undefined {
  return parseEvent(decoder.decode(packet));
}

/** The same for what comes as text. */
export function parseEvent(text: string): ClientEvent | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null && !Array.isArray(json) ? json : undefined;
  } catch {
    return undefined;
  }
}
