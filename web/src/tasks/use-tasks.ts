/** The tasks, asked for again and again while they are looked at. */

import { useCallback, useEffect, useState } from "react";

import { sentenceOf, type Gateway } from "../gateway/gateway";
import type { Page } from "../gateway/fields";
import type { Task } from "./task";

const EVERY = 3_000;

export type Tasks = {
  /** Nothing yet, before the first answer. */
  readonly page: Page<Task> | undefined;
  readonly problem: string;
  /** Asks at once. */
  readonly refresh: () => void;
};

export function useTasks(gateway: Gateway, states: readonly string[], limit: number): Tasks {
  const [page, setPage] = useState<Page<Task> | undefined>(undefined);
  const [problem, setProblem] = useState("");
  const [round, setRound] = useState(0);

  useEffect(() => {
    let isWanted = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isAsking = false;
    const look = async () => {
      clearTimeout(timer);
      if (isAsking || document.visibilityState !== "visible") return;
      isAsking = true;
      try {
        const found = await gateway.tasks(states, limit);
        if (!isWanted) return;
        setPage(found);
        setProblem("");
      } catch (error) {
        if (!isWanted) return;
        setProblem(sentenceOf(error));
      } finally {
        isAsking = false;
      }
      timer = setTimeout(() => void look(), EVERY);
    };
    const shown = () => void look();
    void look();
    document.addEventListener("visibilitychange", shown);
    return () => {
      isWanted = false;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    };
  }, [gateway, states, limit, round]);

  return {
    page,
    problem,
    refresh: useCallback(() => {
      setRound((before) => before + 1);
    }, []),
  };
}
