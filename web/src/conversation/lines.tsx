/** The lines of a transcript. A line keeps its height when what it waits for arrives. */

import { memo } from "react";

import type { Answer, Note, Said } from "./conversation";
import { LatencyBar } from "./latency-bar";

export const SaidLine = memo(function SaidLine({ said, isOwn }: { said: Said; isOwn: boolean }) {
  const name = said.name || said.speaker;
  return (
    <article
      className="line said"
      data-own={isOwn}
      data-stage={said.stage}
      data-modality={said.typed ? "text" : "voice"}
      aria-busy={said.stage === "draft"}
    >
      <h2 className="who">
        {isOwn ? "You" : name}
        {said.typed && <span className="how">typed</span>}
      </h2>
      <p className="words">{said.text}</p>
    </article>
  );
});

export const AnswerLine = memo(function AnswerLine({ answer, slowest }: { answer: Answer; slowest: number }) {
  return (
    <article className="line answer" data-turn={answer.turn} data-end={answer.end} aria-busy={answer.end === "open"}>
      <h2 className="who">Aether</h2>
      <AnswerWords heard={answer.heard} unheard={answer.unheard} />
      <footer className="foot">
        {answer.metrics && <LatencyBar metrics={answer.metrics} slowest={slowest} />}
        <EndMark end={answer.end} />
      </footer>
    </article>
  );
});

/** An answer, with what was not heard of it in grey. */
export function AnswerWords({ heard, unheard }: { heard: string; unheard: string }) {
  return (
    <p className="words">
      {heard}
      {unheard !== "" && (
        <>
          <span className="visually-hidden"> Not heard: </span>
          <span className="unheard" title="You did not hear this">
            {unheard}
          </span>
        </>
      )}
    </p>
  );
}

function EndMark({ end }: { end: Answer["end"] }) {
  switch (end) {
    case "open":
    case "completed":
      return null;
    case "interrupted":
      return <span className="mark">Interrupted</span>;
    case "error":
      return <span className="mark">Broken off: something went wrong</span>;
    case "lost":
      return <span className="mark">Broken off</span>;
  }
}

export const NoteLine = memo(function NoteLine({ note }: { note: Note }) {
  return (
    <p className="line note" data-tone={note.tone}>
      <span>{note.text}</span>
      {note.detail !== "" && <span className="detail">{note.detail}</span>}
    </p>
  );
});
