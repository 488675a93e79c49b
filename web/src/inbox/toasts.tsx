import { useEffect, useState } from "react";

import { linkOf, type Feedback, type Notification } from "../notifications/notification";
import { titleOf } from "../notifications/sentences";
import { CloseIcon } from "../style/icons";

/** How long one stays, unless somebody is at it. */
const STAY = 8_000;

type Props = {
  toasts: readonly Notification[];
  answer: (notification: Notification, feedback: Feedback) => void;
  fade: (id: string) => void;
};

/** What has just arrived, for a moment. */
export function Toasts({ toasts, answer, fade }: Props) {
  return (
    <ul className="toasts" aria-live="polite" aria-label="New notifications">
      {toasts.map((notification) => (
        <Toast key={notification.notification_id} notification={notification} answer={answer} fade={fade} />
      ))}
    </ul>
  );
}

type ToastProps = { notification: Notification } & Omit<Props, "toasts">;

function Toast({ notification, answer, fade }: ToastProps) {
  const [isPointedAt, setIsPointedAt] = useState(false);
  const [hasFocus, setHasFocus] = useState(false);
  const isHeld = isPointedAt || hasFocus;
  const { notification_id: id, text, urgency } = notification;
  const link = linkOf(notification);
  const open = () => {
    answer(notification, "engaged");
  };

  useEffect(() => {
    if (isHeld) return;
    const timer = setTimeout(() => {
      fade(id);
    }, STAY);
    return () => {
      clearTimeout(timer);
    };
  }, [isHeld, id, fade]);

  return (
    <li
      className="toast"
      data-urgency={urgency}
      onPointerEnter={() => {
        setIsPointedAt(true);
      }}
      onPointerLeave={() => {
        setIsPointedAt(false);
      }}
      onFocus={() => {
        setHasFocus(true);
      }}
      onBlur={() => {
        setHasFocus(false);
      }}
    >
      <div className="toast-words">
        <p className="toast-title" dir="auto">
          {titleOf(notification)}
        </p>
        {text !== "" && (
          <p className="toast-text" dir="auto">
            {text}
          </p>
        )}
      </div>
      {link === undefined ? (
        <button type="button" onClick={open}>
          Open
        </button>
      ) : (
        <a className="button" href={link} target="_blank" rel="noopener noreferrer" onClick={open}>
          Open
        </a>
      )}
      <button
        type="button"
        className="quiet"
        aria-label="Dismiss"
        onClick={() => {
          answer(notification, "dismissed");
        }}
      >
        <CloseIcon />
      </button>
    </li>
  );
}
