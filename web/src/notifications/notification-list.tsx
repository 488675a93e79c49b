import { useCallback, useEffect, useRef, useState } from "react";

import { sentenceOf, type Gateway } from "../gateway/gateway";
import { useNow } from "../inbox/use-now";
import { NotificationCard } from "./notification-card";
import type { Notification } from "./notification";

const LIMIT = 20;

type Props = {
  gateway: Gateway;
  /** Changes when there is something new to look at. */
  arrivals: number;
  seen: (id: string) => void;
};

/** All notifications, the newest first. What is shown here counts as seen; it stays marked for as long as it is shown. */
export function NotificationList({ gateway, arrivals, seen }: Props) {
  const now = useNow();
  const [notifications, setNotifications] = useState<readonly Notification[] | undefined>(undefined);
  const [hasMore, setHasMore] = useState(false);
  const [problem, setProblem] = useState("");
  const marked = useRef(new Set<string>());

  const markSeen = useCallback(
    async (shown: readonly Notification[]) => {
      for (const { notification_id: id, seen_at } of shown) {
        if (seen_at !== null || marked.current.has(id)) continue;
        marked.current.add(id);
        try {
          await gateway.wish(id, { seen: true });
          seen(id);
        } catch {
          // It is still unseen then, and marked so when the list is opened again.
        }
      }
    },
    [gateway, seen],
  );

  const load = useCallback(
    async (before?: string) => {
      try {
        const page = await gateway.notifications({ limit: LIMIT, ...(before === undefined ? {} : { before }) });
        setNotifications((known) => (before === undefined ? renewed(known ?? [], page.data) : continued(known ?? [], page.data)));
        setHasMore((had) => (before === undefined && had) || page.has_more);
        setProblem("");
        void markSeen(page.data);
      } catch (error) {
        setProblem(sentenceOf(error));
      }
    },
    [gateway, markSeen],
  );

  useEffect(() => {
    void load();
  }, [load, arrivals]);

  const changed = (fresh: Notification) => {
    seen(fresh.notification_id);
    setNotifications((known) => known?.map((old) => (old.notification_id === fresh.notification_id ? fresh : old)));
  };

  return (
    <>
      <p role="alert" className="refusal">
        {problem}
      </p>
      {!notifications && problem === "" && <p className="empty">Looking…</p>}
      {notifications?.length === 0 && <p className="empty">Nothing yet. What the agent has to tell you is listed here.</p>}
      <ul className="cards">
        {notifications?.map((notification) => (
          <li key={notification.notification_id}>
            <NotificationCard gateway={gateway} notification={notification} now={now} changed={changed} />
          </li>
        ))}
      </ul>
      {hasMore && (
        <button type="button" className="more" onClick={() => void load(notifications?.at(-1)?.notification_id)}>
          Earlier ones
        </button>
      )}
    </>
  );
}

/** The first page again, before what was shown further down. What was marked as unseen stays so while it is looked at. */
function renewed(known: readonly Notification[], page: readonly Notification[]): readonly Notification[] {
  const before = new Map(known.map((old) => [old.notification_id, old]));
  const fresh = page.map((notification) => {
    const wasUnseen = before.get(notification.notification_id)?.seen_at === null;
    return wasUnseen ? { ...notification, seen_at: null } : notification;
  });
  return continued(fresh, known);
}

function continued(known: readonly Notification[], more: readonly Notification[]): readonly Notification[] {
  const ids = new Set(known.map((notification) => notification.notification_id));
  return [...known, ...more.filter((notification) => !ids.has(notification.notification_id))];
}
