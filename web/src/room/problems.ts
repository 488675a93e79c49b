/** What can go wrong between this browser and the room, in sentences that say what to do. */

import { DisconnectReason } from "livekit-client";

export const INSECURE =
  "The browser gives no page a microphone over an unencrypted address. Open this page as https:// or on localhost. You can still type.";

export const SILENT_MICROPHONE = "The microphone gives no sound. Is the right one chosen, and is it switched on?";

/** Why there is no microphone, by the names that browsers give. */
export function microphoneProblem(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "The browser may not use the microphone. Allow it beside the address bar, then switch the microphone on. You can still type.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "No microphone was found. Plug one in, then switch the microphone on. You can still type.";
    case "NotReadableError":
    case "AbortError":
      return "The microphone can't be opened; another program may be using it. You can still type.";
    default:
      return "The microphone can't be used. You can still type.";
  }
}

/** Why the room was left, where it was not this person's wish. */
export function disconnectProblem(reason: DisconnectReason | undefined): string | undefined {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return undefined;
    case DisconnectReason.DUPLICATE_IDENTITY:
      return "You joined this room from somewhere else.";
    case DisconnectReason.PARTICIPANT_REMOVED:
      return "You were taken out of the room.";
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return "The room was closed.";
    default:
      return "The connection to the room was lost.";
  }
}

/** The agent is not in the room: what to say about it, after so many milliseconds. */
export function absenceOf(wasThere: boolean, goneMilliseconds: number): string | undefined {
  if (wasThere) {
    if (goneMilliseconds < ABSENCE.noticed) return undefined;
    return goneMilliseconds < ABSENCE.long
      ? "The agent is away for a moment. It is being called back."
      : "The agent has not come back. Is its service running? What you said is kept.";
  }
  if (goneMilliseconds < ABSENCE.late) return undefined;
  return goneMilliseconds < ABSENCE.long
    ? "The agent is taking longer than usual to come."
    : "The agent has not come. Is its service running? It joins by itself as soon as it can.";
}

/** From when on the agent's absence is worth a word, in milliseconds. */
export const ABSENCE = { noticed: 700, late: 5_000, long: 15_000 } as const;
