/** What this person can tell the agent without words: stop, be silent, keep nothing. */

import { useCallback, useEffect, useState } from "react";

import { GatewayError, type Gateway, type RoomControl } from "../gateway/gateway";
import type { Happening } from "../conversation/conversation";

export type Controls = {
  readonly problem: string | undefined;
  readonly interrupt: () => void;
  readonly muteVoice: (muted: boolean) => void;
  readonly goOffTheRecord: (off: boolean) => void;
};

export function useControls(
  gateway: Gateway,
  roomName: string,
  agentIsHere: boolean,
  tell: (happening: Happening) => void,
): Controls {
  const [problem, setProblem] = useState<string | undefined>(undefined);

  const send = useCallback(
    async (control: RoomControl) => {
      try {
        const reply = await gateway.control(roomName, control);
        tell({ kind: "voice", muted: reply.muted ?? false });
        tell({ kind: "record", off: reply.offTheRecord ?? false, now: Date.now() });
        setProblem(undefined);
        return true;
      } catch (error) {
        // Whoever only looks need not know: the agent's absence is shown by other means.
        if (!("look" in control)) setProblem(sentenceOf(error));
        return false;
      }
    },
    [gateway, roomName, tell],
  );

  // The agent knows how this room was left, or what somebody else switched.
  useEffect(() => {
    if (agentIsHere) void send({ look: {} });
  }, [agentIsHere, send]);

  return {
    problem,
    interrupt: useCallback(() => void send({ interrupt: {} }), [send]),
    muteVoice: useCallback(
      (muted: boolean) => {
        // Silent at once; the agent stops sending a moment later.
        tell({ kind: "voice", muted });
        void send({ mute: { muted } }).then((done) => {
          if (!done) tell({ kind: "voice", muted: !muted });
        });
      },
      [send, tell],
    ),
    goOffTheRecord: useCallback((off: boolean) => void send({ offTheRecord: { off } }), [send]),
  };
}

function sentenceOf(error: unknown): string {
  if (error instanceof GatewayError && error.trouble === "absent") {
    return "The agent is not in the room, so it can't be told.";
  }
  return error instanceof Error ? error.message : String(error);
}
