import { useCallback, useEffect, useState } from "react";

import { AnswerWords } from "../conversation/lines";
import { sentenceOf, type Gateway, type SessionSummary, type SessionTurn } from "../gateway/gateway";
import { Drawer, DRAWER_TITLE } from "../style/drawer";
import { byDay, splitOf } from "./past";

/** Past conversations, beside the page: a list, and each of them to read. */
export function SessionsDrawer({ gateway, close }: { gateway: Gateway; close: () => void }) {
  const [sessions, setSessions] = useState<readonly SessionSummary[] | undefined>(undefined);
  const [hasMore, setHasMore] = useState(false);
  const [chosen, setChosen] = useState<SessionSummary | undefined>(undefined);
  const [turns, setTurns] = useState<readonly SessionTurn[] | undefined>(undefined);
  const [problem, setProblem] = useState("");

  const load = useCallback(
    async (before?: string) => {
      try {
        const page = await gateway.sessions(before);
        setSessions((known) => (before === undefined ? page.data : [...(known ?? []), ...page.data]));
        setHasMore(page.has_more);
      } catch (error) {
        setProblem(sentenceOf(error));
      }
    },
    [gateway],
  );

  useEffect(() => {
    void load();
  }, [load]);

  const show = async (session: SessionSummary) => {
    setChosen(session);
    setTurns(undefined);
    setProblem("");
    try {
      setTurns(await gateway.session(session.session_id));
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  };

  const back = () => {
    setChosen(undefined);
    setProblem("");
  };

  return (
    <Drawer
      title={chosen ? timeOf(chosen.started_at, true) : "Past conversations"}
      back={chosen ? back : undefined}
      close={close}
    >
      <div className="drawer-scroll" tabIndex={0} role="region" aria-labelledby={DRAWER_TITLE}>
        <p role="alert" className="refusal">
          {problem}
        </p>
        {chosen ? (
          <>
            <Summary session={chosen} />
            <Turns turns={turns} isBroken={problem !== ""} />
          </>
        ) : (
          <List
            sessions={sessions}
            isBroken={problem !== ""}
            show={(session) => void show(session)}
            more={hasMore ? () => void load(sessions?.at(-1)?.started_at) : undefined}
          />
        )}
      </div>
    </Drawer>
  );
}

type ListProps = {
  sessions: readonly SessionSummary[] | undefined;
  isBroken: boolean;
  show: (session: SessionSummary) => void;
  more: (() => void) | undefined;
};

export function List({ sessions, isBroken, show, more }: ListProps) {
  if (!sessions) return isBroken ? null : <p className="empty">Looking…</p>;
  if (sessions.length === 0) return <p className="empty">Nothing has been said yet.</p>;
  return (
    <>
      {byDay(sessions, new Date()).map((day) => (
        <section key={day.name} className="day">
          <h3>{day.name}</h3>
          <ul>
            {day.sessions.map((session) => (
              <li key={session.session_id}>
                <button
                  type="button"
                  className="session"
                  onClick={() => {
                    show(session);
                  }}
                >
                  {session.title && <span className="title">{session.title}</span>}
                  <span className="first">{session.first_words || "No words"}</span>
                  <span className="about">{aboutOf(session)}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      ))}
      {more && (
        <button type="button" className="more" onClick={more}>
          Earlier ones
        </button>
      )}
    </>
  );
}

/** What a conversation was about, where that is known. */
function Summary({ session: { title, summary } }: { session: SessionSummary }) {
  if (!title && !summary) return null;
  return (
    <div className="summary">
      {title && <h3 dir="auto">{title}</h3>}
      {summary && <p dir="auto">{summary}</p>}
    </div>
  );
}

export function Turns({ turns, isBroken }: { turns: readonly SessionTurn[] | undefined; isBroken: boolean }) {
  if (!turns) return isBroken ? null : <p className="empty">Looking…</p>;
  return (
    <div className="lines past">
      {turns.map((turn) => (
        <div key={turn.turn_id} className="turn">
          <article className="line said">
            <h3 className="who">
              {turn.person_name || "You"}
              <span className="how">
                {turn.modality === "text" ? "typed, " : ""}
                {timeOf(turn.started_at, false)}
              </span>
            </h3>
            <p className="words">{turn.words}</p>
          </article>
          {turn.answer ? (
            <article className="line answer">
              <h3 className="who">Aether</h3>
              <AnswerWords {...splitOf(turn)} />
            </article>
          ) : (
            <p className="line note">No answer</p>
          )}
        </div>
      ))}
    </div>
  );
}

function aboutOf(session: SessionSummary): string {
  const turns = session.turns === 1 ? "1 turn" : `${session.turns} turns`;
  const others = session.people.length > 1 ? session.people.join(", ") : undefined;
  return [timeOf(session.started_at, false), turns, session.room ?? "in writing", others].filter(Boolean).join(" · ");
}

function timeOf(time: string, withDay: boolean): string {
  const day = withDay ? ({ day: "numeric", month: "long" } as const) : {};
  return new Date(time).toLocaleString(undefined, { ...day, hour: "2-digit", minute: "2-digit" });
}
