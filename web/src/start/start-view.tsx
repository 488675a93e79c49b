import { useId, useState, type ReactNode, type SyntheticEvent } from "react";

import { Brand } from "../style/brand";
import { MicrophoneIcon, PastIcon } from "../style/icons";
import type { Start } from "./use-readiness";

type Props = {
  start: Start;
  name: string;
  setName: (name: string) => void;
  isJoining: boolean;
  problem: string | undefined;
  talk: (room: string) => void;
  showPast: () => void;
  bell: ReactNode;
};

/** Where everybody meets who does not ask for another room. */
const DEFAULT_ROOM = "home";

export function StartView({ start, name, setName, isJoining, problem, talk, showPast, bell }: Props) {
  const id = useId();
  const [room, setRoom] = useState(DEFAULT_ROOM);

  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    talk(room.trim() || DEFAULT_ROOM);
  };

  return (
    <main className="door">
      <div className="sheet">
        <Brand />
        <h1>Talk, type, be remembered</h1>
        <p className="lead">The microphone opens when you press Talk, and not before.</p>
        <form onSubmit={submit} className="stack">
          <div className="who-and-where">
            <div>
              <label htmlFor={`${id}-name`}>Your name</label>
              <input
                id={`${id}-name`}
                value={name}
                autoComplete="given-name"
                maxLength={80}
                placeholder="What it calls you"
                onChange={(event) => {
                  setName(event.target.value);
                }}
              />
            </div>
            <div>
              <label htmlFor={`${id}-room`}>Room</label>
              <input
                id={`${id}-room`}
                value={room}
                autoComplete="off"
                maxLength={80}
                placeholder={DEFAULT_ROOM}
                onChange={(event) => {
                  setRoom(event.target.value);
                }}
              />
            </div>
          </div>
          <button type="submit" className="primary talk" disabled={isJoining || start === "unreachable"}>
            <MicrophoneIcon off={false} />
            {isJoining ? "Joining…" : "Talk"}
          </button>
          <div className="told">
            <p role="alert" className="refusal">
              {problem}
            </p>
            {problem === undefined && <ReadinessList start={start} />}
          </div>
          <div className="beside">
            <button type="button" className="quiet" onClick={showPast}>
              <PastIcon />
              Past conversations
            </button>
            {bell}
          </div>
        </form>
      </div>
    </main>
  );
}

function ReadinessList({ start }: { start: Start }) {
  return (
    <ul className="readiness" aria-live="polite">
      {linesOf(start).map(({ text, mood }) => (
        <li key={text} data-mood={mood}>
          {text}
        </li>
      ))}
    </ul>
  );
}

type Line = { text: string; mood: "well" | "waiting" | "bad" };

function linesOf(start: Start): Line[] {
  if (start === "asking") return [{ text: "Looking whether everything is ready…", mood: "waiting" }];
  if (start === "unreachable") return [{ text: "The gateway does not answer. Is Aether still running?", mood: "bad" }];
  if (start.sentences.length === 0 && start.ready) return [{ text: "Everything is ready", mood: "well" }];
  const lines = start.sentences.slice(0, 3).map((text): Line => ({ text, mood: "waiting" }));
  return lines.length > 0 ? lines : [{ text: "Aether is still starting…", mood: "waiting" }];
}
