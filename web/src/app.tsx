import { useCallback, useEffect, useState } from "react";

import { useAccess } from "./access/access";
import { ClosedDoor } from "./access/closed-door";
import { fieldsOf } from "./gateway/fields";
import type { Gateway } from "./gateway/gateway";
import { BellButton } from "./inbox/bell-button";
import { countOf } from "./inbox/inbox";
import { InboxDrawer } from "./inbox/inbox-drawer";
import { Toasts } from "./inbox/toasts";
import { useInbox } from "./inbox/use-inbox";
import { linkOf, type Feedback, type Notification } from "./notifications/notification";
import { RoomScreen } from "./room/room-screen";
import { useCall } from "./room/use-call";
import { SessionsDrawer } from "./sessions/sessions-drawer";
import { StartScreen } from "./start/start-screen";

/** Which of the three screens is seen: the closed door, the start, or the room. */
export function App() {
  const access = useAccess();
  if (access.state !== "open") return <ClosedDoor expired={access.state === "expired"} open={access.open} />;
  return <Inside gateway={access.gateway} />;
}

function Inside({ gateway }: { gateway: Gateway }) {
  const control = useCall(gateway);
  const { inbox, tell, look } = useInbox(gateway);
  const [showsPast, setShowsPast] = useState(false);
  const { call } = control;
  const showPast = () => {
    setShowsPast(true);
  };

  const openInbox = useCallback(() => {
    setShowsPast(false);
    tell({ kind: "opened" });
  }, [tell]);
  const seen = useCallback(
    (id: string) => {
      tell({ kind: "seen", id });
    },
    [tell],
  );
  const fade = useCallback(
    (id: string) => {
      tell({ kind: "faded", id });
    },
    [tell],
  );
  const answer = (notification: Notification, feedback: Feedback) => {
    const { notification_id: id } = notification;
    seen(id);
    // What could not be told to the gateway is unseen again.
    gateway.wish(id, { feedback }).catch(look);
    if (feedback === "engaged" && linkOf(notification) === undefined) openInbox();
  };
  useClickedNotification(openInbox);

  const bell = <BellButton count={countOf(inbox)} open={openInbox} />;
  return (
    <>
      {call.room ? (
        <RoomScreen gateway={gateway} control={control} room={call.room} showPast={showPast} bell={bell} />
      ) : (
        <StartScreen gateway={gateway} call={call} join={control.join} showPast={showPast} bell={bell} />
      )}
      {/* Beside an open drawer nothing can be pressed: they wait until it is closed. */}
      <Toasts toasts={showsPast ? [] : inbox.toasts} answer={answer} fade={fade} />
      {showsPast && (
        <SessionsDrawer
          gateway={gateway}
          close={() => {
            setShowsPast(false);
          }}
        />
      )}
      {inbox.isOpen && (
        <InboxDrawer
          gateway={gateway}
          inbox={inbox}
          seen={seen}
          close={() => {
            tell({ kind: "closed" });
          }}
        />
      )}
    </>
  );
}

/** A press on what the browser showed leads here, where it leads nowhere else. */
function useClickedNotification(open: () => void) {
  useEffect(() => {
    // Browsers have none over an unencrypted address.
    if (!("serviceWorker" in navigator)) return;
    const workers = navigator.serviceWorker;
    const told = (message: MessageEvent<unknown>) => {
      if (fieldsOf(message.data)["kind"] === "open-notifications") open();
    };
    workers.addEventListener("message", told);
    workers.startMessages();
    return () => {
      workers.removeEventListener("message", told);
    };
  }, [open]);
}
