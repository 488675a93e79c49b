/** Whether the agent is here and what it does, as LiveKit's own hook says, and for how long it has been missing. */

import { useEffect, useRef, useState } from "react";
import { useVoiceAssistant } from "@livekit/components-react";
import type { RemoteAudioTrack } from "livekit-client";

import { ABSENCE, absenceOf } from "./problems";

export type AgentState = "coming" | "away" | "listening" | "thinking" | "speaking";

export type Presence = {
  readonly state: AgentState;
  /** LiveKit's own word for it. */
  readonly livekitState: string;
  readonly voice: RemoteAudioTrack | undefined;
  readonly absence: string | undefined;
};

export function usePresence(onLeft: () => void): Presence {
  const { agent, state: livekitState, audioTrack } = useVoiceAssistant();
  const isHere = agent !== undefined;
  const wasHere = useRef(false);
  const [absence, setAbsence] = useState<string | undefined>(undefined);

  useEffect(() => {
    if (isHere) {
      wasHere.current = true;
      setAbsence(undefined);
      return;
    }
    if (wasHere.current) onLeft();
    const moments = Object.values(ABSENCE).map((wait) =>
      setTimeout(() => {
        setAbsence(absenceOf(wasHere.current, wait));
      }, wait),
    );
    return () => {
      moments.forEach(clearTimeout);
    };
  }, [isHere, onLeft]);

  const voice = audioTrack?.publication.track as RemoteAudioTrack | undefined;
  return { state: stateOf(isHere, wasHere.current, livekitState), livekitState, voice, absence };
}

function stateOf(isHere: boolean, wasHere: boolean, state: string): AgentState {
  if (!isHere) return wasHere ? "away" : "coming";
  return state === "listening" || state === "thinking" || state === "speaking" ? state : "coming";
}
