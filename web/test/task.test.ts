import { describe, expect, it } from "vitest";

import { actionsOf, failureOf, nameOfKind, nameOfState, OPEN_STATES, readTask, type Task } from "../src/tasks/task";

const inState = (state: string, reason = ""): Task => {
  const task = readTask({ job_id: "j1", state, reason });
  if (!task) throw new Error("it has an id");
  return task;
};

describe("a task", () => {
  it("is read with what it is about, and nothing of it is trusted", () => {
    expect(readTask({ job_id: "j1", kind: "reminder", payload: { about: "the bread" } })).toMatchObject({ about: "the bread" });
    for (const payload of [undefined, null, "about", ["about"], { about: 7 }]) {
      expect(readTask({ job_id: "j1", payload })).toMatchObject({ about: "", kind: "", due_at: null });
    }
    for (const value of [null, {}, { job_id: null }]) expect(readTask(value)).toBeUndefined();
  });

  it.each([
    ["PENDING", ["cancel"]],
    ["EXECUTING", ["cancel"]],
    ["RETRYING", ["retry", "cancel"]],
    ["HUMAN_REVIEW", ["replay", "cancel"]],
    ["COMPENSATING", []],
    ["COMMITTED", []],
    ["ROLLED_BACK", []],
  ])("in the state %s can have done: %j", (state, actions) => {
    expect(actionsOf(inState(state))).toEqual(actions);
  });

  it("is open in nine of the eleven states", () => {
    expect(OPEN_STATES).toHaveLength(9);
    expect(OPEN_STATES).not.toContain("COMMITTED");
    expect(OPEN_STATES).not.toContain("ROLLED_BACK");
  });

  it("says why it failed only where it has", () => {
    expect(failureOf(inState("RETRYING", "no answer"))).toBe("no answer");
    expect(failureOf(inState("COMMITTED", "no answer"))).toBe("");
  });

  it("has words for what is done, also for a kind of a newer gateway", () => {
    expect(nameOfKind("notification_digest")).toBe("Digest");
    expect(nameOfKind("tidy_up")).toBe("tidy up");
    expect(nameOfKind("")).toBe("A task");
  });

  it("has words for a state of a newer gateway", () => {
    expect(nameOfState("ON_HOLD")).toBe("on hold");
    expect(nameOfState("constructor")).toBe("constructor");
    expect(nameOfState("")).toBe("Unknown");
  });
});
