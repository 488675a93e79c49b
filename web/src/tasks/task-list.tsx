import { useId, useRef, useState } from "react";

import { sentenceOf, type Gateway } from "../gateway/gateway";
import { relativeTime } from "../inbox/relative-time";
import { useNow } from "../inbox/use-now";
import { keepFocus } from "../style/keep-focus";
import { actionsOf, failureOf, isAhead, nameOfKind, nameOfState, OPEN_STATES, type Task, type TaskAction } from "./task";
import { useTasks } from "./use-tasks";

type Filter = "open" | "all";

const FILTERS: Readonly<Record<Filter, { label: string; states: readonly string[]; empty: string }>> = {
  open: { label: "Open", states: OPEN_STATES, empty: "Nothing is left to do." },
  all: { label: "All", states: [], empty: "There has been nothing to do yet." },
};

/** How many at first, and more with each press; the gateway lists no more than a hundred at once. */
const STEP = 25;
const MOST = 100;

/** What the agent does beside conversations, as it goes. */
export function TaskList({ gateway }: { gateway: Gateway }) {
  const id = useId();
  const [filter, setFilter] = useState<Filter>("open");
  return (
    <>
      <fieldset className="filter">
        <legend className="visually-hidden">Which tasks</legend>
        {(Object.keys(FILTERS) as Filter[]).map((name) => (
          <label key={name}>
            <input
              type="radio"
              name={`${id}-filter`}
              checked={filter === name}
              onChange={() => {
                setFilter(name);
              }}
            />
            {FILTERS[name].label}
          </label>
        ))}
      </fieldset>
      <Filtered key={filter} gateway={gateway} filter={filter} />
    </>
  );
}

function Filtered({ gateway, filter }: { gateway: Gateway; filter: Filter }) {
  const now = useNow();
  const [limit, setLimit] = useState(STEP);
  const { page, problem, refresh } = useTasks(gateway, FILTERS[filter].states, limit);
  return (
    <>
      <p role="alert" className="refusal">
        {problem}
      </p>
      {!page && problem === "" && <p className="empty">Looking…</p>}
      {page?.data.length === 0 && <p className="empty">{FILTERS[filter].empty}</p>}
      <ul className="cards">
        {page?.data.map((task) => (
          <li key={task.job_id}>
            <TaskCard gateway={gateway} task={task} now={now} changed={refresh} />
          </li>
        ))}
      </ul>
      {page?.has_more === true && limit < MOST && (
        <button
          type="button"
          className="more"
          onClick={() => {
            setLimit(limit + STEP);
          }}
        >
          Earlier ones
        </button>
      )}
    </>
  );
}

const ACTIONS: Readonly<Record<TaskAction, string>> = { cancel: "Cancel", retry: "Try again now", replay: "Do it again" };

type CardProps = { gateway: Gateway; task: Task; now: Date; changed: () => void };

function TaskCard({ gateway, task, now, changed }: CardProps) {
  const card = useRef<HTMLElement>(null);
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const failure = failureOf(task);
  const due = isAhead(task) ? relativeTime(task.due_at, now) : "";
  const updated = relativeTime(task.updated_at, now);
  const about = [task.about === "" ? "" : nameOfKind(task.kind), due === "" ? "" : `due ${due}`, updated === "" ? "" : `changed ${updated}`];

  const run = async (action: TaskAction) => {
    setIsBusy(true);
    setProblem("");
    try {
      const count = await gateway.controlTask(action, task.job_id);
      if (count === 0) setProblem("Nothing was changed: the task has moved on meanwhile.");
    } catch (error) {
      setProblem(sentenceOf(error));
    }
    setIsBusy(false);
    keepFocus(card.current);
    changed();
  };

  return (
    <article ref={card} className="card task" tabIndex={-1}>
      <h3 dir="auto">{task.about || nameOfKind(task.kind)}</h3>
      <p className="state" data-state={task.state}>
        {nameOfState(task.state)}
      </p>
      {failure !== "" && (
        <p className="text" dir="auto">
          {failure}
        </p>
      )}
      <p className="about">{about.filter(Boolean).join(" · ")}</p>
      <div className="actions">
        {actionsOf(task).map((action) => (
          <button key={action} type="button" disabled={isBusy} onClick={() => void run(action)}>
            {ACTIONS[action]}
          </button>
        ))}
      </div>
      <p role="alert" className="refusal">
        {problem}
      </p>
    </article>
  );
}
