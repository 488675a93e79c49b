import { useState } from "react";

import { useAccess } from "./access/access";
import { ClosedDoor } from "./access/closed-door";
import type { Gateway } from "./gateway/gateway";
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
  const [showsPast, setShowsPast] = useState(false);
  const { call } = control;
  const showPast = () => {
    setShowsPast(true);
  };

  return (
    <>
      {call.room ? (
        <RoomScreen gateway={gateway} control={control} room={call.room} showPast={showPast} />
      ) : (
        <StartScreen gateway={gateway} call={call} join={control.join} showPast={showPast} />
      )}
      {showsPast && (
        <SessionsDrawer
          gateway={gateway}
          close={() => {
            setShowsPast(false);
          }}
        />
      )}
    </>
  );
}
