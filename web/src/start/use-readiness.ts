import { useEffect, useState } from "react";

import { health } from "../gateway/gateway";
import { readinessOf, type Readiness } from "../gateway/health";

export type Start = Readiness | "asking" | "unreachable";

/** How often to ask while something is missing, and while nothing is. */
const WAITING = 1_500;
const READY = 15_000;

/** Asks how the services are, for as long as it is shown. */
export function useReadiness(): Start {
  const [start, setStart] = useState<Start>("asking");
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isShown = true;
    const look = async () => {
      const found = await health().then(readinessOf, () => "unreachable" as const);
      if (!isShown) return;
      setStart(found);
      const isWell = found !== "unreachable" && found.ready && found.sentences.length === 0;
      timer = setTimeout(() => void look(), isWell ? READY : WAITING);
    };
    void look();
    return () => {
      isShown = false;
      clearTimeout(timer);
    };
  }, []);
  return start;
}
