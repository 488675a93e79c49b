import { useEffect, useState, type ReactNode } from "react";

import type { Gateway } from "../gateway/gateway";
import type { Call } from "../room/use-call";
import { StartView } from "./start-view";
import { useReadiness } from "./use-readiness";

type Props = {
  gateway: Gateway;
  call: Call;
  join: (roomName: string, name: string) => Promise<void>;
  showPast: () => void;
  bell: ReactNode;
};

/** Before joining: who you are, whether the agent can talk yet, and the button. */
export function StartScreen({ gateway, call, join, showPast, bell }: Props) {
  const start = useReadiness();
  const [known, setKnown] = useState("");
  const [name, setName] = useState<string | undefined>(undefined);

  useEffect(() => {
    let isShown = true;
    gateway.me().then(
      (me) => {
        if (isShown) setKnown(me.name ?? "");
      },
      // Readiness tells what is wrong with the gateway.
      () => undefined,
    );
    return () => {
      isShown = false;
    };
  }, [gateway]);

  const talk = async (room: string) => {
    const given = (name ?? known).trim();
    if (given !== "" && given !== known) {
      // A name that can't be kept is used all the same.
      await gateway.rename(given).then(
        () => {
          setKnown(given);
        },
        () => undefined,
      );
    }
    await join(room, given);
  };

  return (
    <StartView
      start={start}
      name={name ?? known}
      setName={setName}
      isJoining={call.phase === "joining"}
      problem={call.problem}
      talk={(room) => void talk(room)}
      showPast={showPast}
      bell={bell}
    />
  );
}
