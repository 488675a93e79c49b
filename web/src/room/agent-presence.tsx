import type { RemoteAudioTrack } from "livekit-client";

import { StopIcon } from "../style/icons";
import { useLevel } from "./use-level";
import type { AgentState } from "./use-presence";

type Props = {
  state: AgentState;
  voice: RemoteAudioTrack | undefined;
  canInterrupt: boolean;
  interrupt: () => void;
};

const WORDS: Readonly<Record<AgentState, string>> = {
  coming: "On its way",
  away: "Away",
  listening: "Listening",
  thinking: "Thinking",
  speaking: "Speaking",
};

/** What the agent does, and the button that stops it. */
export function AgentPresence({ state, voice, canInterrupt, interrupt }: Props) {
  const orb = useLevel<HTMLSpanElement>(voice);
  return (
    <div className="presence" data-state={state}>
      <span className="orb" ref={orb} aria-hidden="true">
        <span />
      </span>
      <p role="status">
        <span className="visually-hidden">The agent: </span>
        {WORDS[state]}
      </p>
      <button type="button" className="interrupt" disabled={!canInterrupt} onClick={interrupt}>
        <StopIcon />
        Interrupt
        <kbd className="wide">Esc</kbd>
      </button>
    </div>
  );
}

/** What to say to somebody who reads an empty transcript. */
export function invitationOf(state: AgentState): string {
  return state === "coming" || state === "away" ? "The agent is coming…" : "Say something, or type below.";
}
