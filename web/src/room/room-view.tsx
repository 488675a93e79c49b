import { useEffect, useRef, type ReactNode } from "react";
import type { LocalAudioTrack, RemoteAudioTrack } from "livekit-client";

import type { Entry } from "../conversation/conversation";
import { Transcript } from "../conversation/transcript";
import { Brand } from "../style/brand";
import { LeaveIcon, PastIcon, RecordIcon, VoiceIcon } from "../style/icons";
import { keepFocus } from "../style/keep-focus";
import { AgentPresence, invitationOf } from "./agent-presence";
import { Composer } from "./composer";
import { MicrophoneSwitch } from "./microphone-switch";
import type { AgentState } from "./use-presence";

export type Notice = {
  readonly text: string;
  readonly mood: "calm" | "bad";
  readonly action?: { readonly label: string; readonly run: () => void };
};

export type Microphone = {
  readonly isOn: boolean;
  readonly track: LocalAudioTrack | undefined;
  readonly devices: readonly MediaDeviceInfo[];
  readonly chosen: string;
  readonly set: (on: boolean) => void;
  readonly choose: (id: string) => void;
};

type Props = {
  roomName: string;
  isConnected: boolean;
  agentState: AgentState;
  /** What LiveKit's own hooks report: the agent's state, and how many captions there are. */
  livekit: { state: string; captions: number };
  voice: RemoteAudioTrack | undefined;
  entries: readonly Entry[];
  slowest: number;
  self: string;
  notices: readonly Notice[];
  microphone: Microphone;
  voiceMuted: boolean;
  muteVoice: (muted: boolean) => void;
  offTheRecord: boolean;
  goOffTheRecord: (off: boolean) => void;
  interrupt: () => void;
  write: (text: string) => Promise<boolean>;
  showPast: () => void;
  bell: ReactNode;
  leave: () => void;
};

/** Everything that is seen in a room. */
export function RoomView(props: Props) {
  const { agentState, interrupt, isConnected, livekit, offTheRecord, voiceMuted } = props;
  const isBusy = agentState === "speaking" || agentState === "thinking";
  useEscape(isBusy ? interrupt : undefined);
  // The button that led here is gone.
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    keepFocus(heading.current);
  }, []);

  return (
    <div
      className="room"
      data-agent-state={livekit.state}
      data-transcription-source="lk.transcription"
      data-transcriptions={livekit.captions}
      data-off-the-record={offTheRecord}
    >
      <header className="bar">
        <Brand />
        <span className="place">
          <span className="visually-hidden">Room: </span>
          {props.roomName}
        </span>
        {offTheRecord && <span className="chip">Off the record</span>}
        <span className="spring" />
        {props.bell}
        <button type="button" className="quiet" aria-label="Past conversations" onClick={props.showPast}>
          <PastIcon />
          <span className="wide">Past conversations</span>
        </button>
        <button type="button" className="quiet" aria-label="Leave" onClick={props.leave}>
          <LeaveIcon />
          <span className="wide">Leave</span>
        </button>
      </header>

      <main className="talk-area">
        <h1 ref={heading} className="visually-hidden" tabIndex={-1}>
          Conversation with Aether
        </h1>
        <ul className="notices" aria-live="polite" aria-label="What is wrong">
          {props.notices.map((notice) => (
            <li key={notice.text} data-mood={notice.mood}>
              <span>{notice.text}</span>
              {notice.action && (
                <button type="button" onClick={notice.action.run}>
                  {notice.action.label}
                </button>
              )}
            </li>
          ))}
        </ul>
        <Transcript
          entries={props.entries}
          self={props.self}
          slowest={props.slowest}
          invitation={invitationOf(agentState)}
        />
      </main>

      <footer className="dock" aria-label="Talk and type">
        <AgentPresence state={agentState} voice={props.voice} canInterrupt={isBusy} interrupt={interrupt} />
        <Composer write={props.write} isDisabled={!isConnected} />
        <div className="switches">
          <MicrophoneSwitch microphone={props.microphone} isDisabled={!isConnected} />
          <button
            type="button"
            role="switch"
            className="switch"
            aria-checked={!voiceMuted}
            disabled={!isConnected}
            onClick={() => {
              props.muteVoice(!voiceMuted);
            }}
          >
            <VoiceIcon off={voiceMuted} />
            <span>
              Voice<span className="wide"> of the agent</span>
            </span>
          </button>
          <button
            type="button"
            role="switch"
            className="switch record"
            aria-checked={offTheRecord}
            disabled={!isConnected}
            title="Nothing that is said is kept while this is on"
            onClick={() => {
              props.goOffTheRecord(!offTheRecord);
            }}
          >
            <RecordIcon off={offTheRecord} />
            <span>Off the record</span>
          </button>
        </div>
      </footer>
    </div>
  );
}

/** Escape interrupts the agent, unless a dialog is open: there it closes. */
function useEscape(run: (() => void) | undefined) {
  useEffect(() => {
    if (!run) return;
    const pressed = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.isComposing && !document.querySelector("dialog[open]")) run();
    };
    window.addEventListener("keydown", pressed);
    return () => {
      window.removeEventListener("keydown", pressed);
    };
  }, [run]);
}
