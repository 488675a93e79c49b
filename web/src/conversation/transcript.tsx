import { useCallback, useLayoutEffect, useRef, useState } from "react";

import type { Entry } from "./conversation";
import { AnswerLine, NoteLine, SaidLine } from "./lines";

type Props = {
  entries: readonly Entry[];
  /** This person's participant identity. */
  self: string;
  slowest: number;
  /** Said while there is nothing to read yet. */
  invitation: string;
};

/** Nearer to the end than this is at the end, in pixels. */
const NEAR = 56;

/** Both sides of the conversation, oldest first. Follows the end unless the reader scrolled away from it. */
export function Transcript({ entries, self, slowest, invitation }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [isBehind, setIsBehind] = useState(false);

  const toEnd = useCallback(() => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, []);

  useLayoutEffect(() => {
    const follow = () => {
      if (follows.current) toEnd();
    };
    // Text grows, details open, a keyboard takes half of the screen.
    const observer = new ResizeObserver(follow);
    if (scroller.current) observer.observe(scroller.current);
    if (content.current) observer.observe(content.current);
    return () => {
      observer.disconnect();
    };
  }, [toEnd]);

  const scrolled = () => {
    const element = scroller.current;
    if (!element) return;
    follows.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
    setIsBehind(!follows.current);
  };

  return (
    <div className="transcript">
      <div
        className="scroller"
        ref={scroller}
        onScroll={scrolled}
        role="log"
        aria-label="Transcript"
        aria-live="polite"
        tabIndex={0}
      >
        <div className="lines" ref={content}>
          {entries.length === 0 && <p className="invitation">{invitation}</p>}
          {entries.map((entry) => {
            switch (entry.kind) {
              case "said":
                return <SaidLine key={entry.key} said={entry} isOwn={entry.speaker === self} />;
              case "answer":
                return <AnswerLine key={entry.key} answer={entry} slowest={slowest} />;
              case "note":
                return <NoteLine key={entry.key} note={entry} />;
            }
          })}
        </div>
      </div>
      {isBehind && (
        <button type="button" className="to-end" onClick={toEnd}>
          To the latest words
        </button>
      )}
    </div>
  );
}
