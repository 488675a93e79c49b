/** The inbox, kept up to date by the gateway's socket. Whenever that opens, what was missed meanwhile is looked for. */

import { useCallback, useEffect, useReducer } from "react";

import { parseEvent } from "../conversation/client-event";
import { EventSocket } from "../gateway/event-socket";
import type { Gateway } from "../gateway/gateway";
import { notificationOf } from "../notifications/notification";
import { EMPTY, next, type Happening, type Inbox } from "./inbox";

/** The most that the gateway lists at once. */
const LIMIT = 100;

export type InboxControl = {
  readonly inbox: Inbox;
  readonly tell: (happening: Happening) => void;
  /** Asks anew what is unseen. */
  readonly look: () => void;
};

export function useInbox(gateway: Gateway): InboxControl {
  const [inbox, tell] = useReducer(next, EMPTY);

  const look = useCallback(() => {
    gateway.notifications({ unseen: true, limit: LIMIT }).then(
      (page) => {
        tell({ kind: "listed", page });
      },
      // The drawer says what is wrong when it is opened.
      () => undefined,
    );
  }, [gateway]);

  useEffect(() => {
    const told = (text: string) => {
      const event = parseEvent(text);
      const notification = event && notificationOf(event);
      if (notification) tell({ kind: "arrived", notification });
    };
    const socket = new EventSocket(() => gateway.openEvents(), { told, tried: look });
    const back = () => {
      socket.hurry();
    };
    // A device that slept may not know yet that its socket is gone.
    const shown = () => {
      if (document.visibilityState !== "visible") return;
      socket.hurry();
      look();
    };
    socket.start();
    window.addEventListener("online", back);
    document.addEventListener("visibilitychange", shown);
    return () => {
      window.removeEventListener("online", back);
      document.removeEventListener("visibilitychange", shown);
      socket.stop();
    };
  }, [gateway, look]);

  return { inbox, tell, look };
}
