import { useRef, useState } from "react";

import { sentenceOf, type Gateway } from "../gateway/gateway";
import { sentenceOfRule, type Rule } from "../preferences/rule";
import { keepFocus } from "../style/keep-focus";
import { linkOf, type Notification, type Wish } from "./notification";
import { originOf, statusOf, titleOf } from "./sentences";
import { SNOOZES } from "./snooze";

type Props = {
  gateway: Gateway;
  notification: Notification;
  now: Date;
  changed: (notification: Notification) => void;
};

/** One notification: what it says, why it was told so, and what to do about it. */
export function NotificationCard({ gateway, notification, now, changed }: Props) {
  const card = useRef<HTMLElement>(null);
  const [isBusy, setIsBusy] = useState(false);
  const [showsSnoozes, setShowsSnoozes] = useState(false);
  const [problem, setProblem] = useState("");
  const [rule, setRule] = useState<Rule | undefined>(undefined);
  const { feedback, reason, seen_at, text, created_at } = notification;
  const link = linkOf(notification);

  const run = async (work: () => Promise<void>) => {
    setIsBusy(true);
    setProblem("");
    try {
      await work();
    } catch (error) {
      setProblem(sentenceOf(error));
    }
    setIsBusy(false);
    keepFocus(card.current);
  };

  const wish = (wished: Wish) =>
    run(async () => {
      const reply = await gateway.wish(notification.notification_id, wished);
      setShowsSnoozes(false);
      setRule(reply.rule);
      if (reply.notification) changed(reply.notification);
    });

  const undo = (learned: Rule) =>
    run(async () => {
      await gateway.forgetRule(learned.rule_id);
      setRule(undefined);
    });

  const engage = () => {
    if (feedback !== "engaged") void wish({ feedback: "engaged" });
  };

  return (
    <article ref={card} className="card" tabIndex={-1} data-unseen={seen_at === null} data-feedback={feedback}>
      <h3 dir="auto">
        {seen_at === null && <span className="visually-hidden">New: </span>}
        {titleOf(notification)}
      </h3>
      {text !== "" && (
        <p className="text" dir="auto">
          {text}
        </p>
      )}
      <p className="about">
        <time dateTime={created_at ?? undefined} title={wholeTime(created_at)}>
          {originOf(notification, now)}
        </time>
      </p>
      <p className="about">
        {statusOf(notification, now)}
        {reason !== "" && <span dir="auto"> · Why: {reason}</span>}
      </p>
      <div className="actions">
        {link !== undefined ? (
          <a
            className="button"
            href={link}
            title={link}
            target="_blank"
            rel="noopener noreferrer"
            onClick={engage}
            onAuxClick={engage}
          >
            Open {new URL(link).host}
          </a>
        ) : (
          feedback !== "engaged" && (
            <button type="button" disabled={isBusy} onClick={engage}>
              Useful
            </button>
          )
        )}
        {feedback !== "dismissed" && feedback !== "muted" && (
          <button type="button" disabled={isBusy} onClick={() => void wish({ feedback: "dismissed" })}>
            Dismiss
          </button>
        )}
        <button
          type="button"
          aria-expanded={showsSnoozes}
          onClick={() => {
            setShowsSnoozes(!showsSnoozes);
          }}
        >
          Later
        </button>
        {feedback !== "muted" && (
          <button type="button" disabled={isBusy} onClick={() => void wish({ feedback: "muted" })}>
            Never tell me this again
          </button>
        )}
      </div>
      {showsSnoozes && (
        <div className="actions" role="group" aria-label="Tell me again in">
          {SNOOZES.map(({ label, minutes }) => (
            <button
              key={label}
              type="button"
              disabled={isBusy}
              onClick={() => void wish({ snooze_minutes: minutes(new Date()) })}
            >
              {label}
            </button>
          ))}
        </div>
      )}
      <p role="alert" className="refusal">
        {problem}
      </p>
      <div role="status">
        {rule && (
          <p className="learned">
            <span dir="auto">Learned: {sentenceOfRule(rule)}</span>
            <button type="button" disabled={isBusy} onClick={() => void undo(rule)}>
              Undo
            </button>
          </p>
        )}
      </div>
    </article>
  );
}

function wholeTime(time: string | null): string | undefined {
  return time === null ? undefined : new Date(time).toLocaleString();
}
