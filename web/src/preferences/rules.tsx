import { useEffect, useState } from "react";

import { sentenceOf, type Gateway } from "../gateway/gateway";
import { relativeTime } from "../inbox/relative-time";
import { sentenceOfRule, type Rule } from "./rule";

/** What was learned, each in a sentence, and each to be undone. */
export function Rules({ gateway }: { gateway: Gateway }) {
  const [rules, setRules] = useState<readonly Rule[] | undefined>(undefined);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    let isShown = true;
    gateway.rules().then(
      (found) => {
        if (isShown) setRules(found);
      },
      (error: unknown) => {
        if (isShown) setProblem(sentenceOf(error));
      },
    );
    return () => {
      isShown = false;
    };
  }, [gateway]);

  const undo = async (rule: Rule) => {
    setProblem("");
    try {
      await gateway.forgetRule(rule.rule_id);
      setRules((known) => known?.filter((other) => other.rule_id !== rule.rule_id));
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  };

  return (
    <>
      <p role="alert" className="refusal">
        {problem}
      </p>
      {!rules && problem === "" && <p>Looking…</p>}
      {rules?.length === 0 && <p>Nothing yet. It learns from what you open, dismiss and mute.</p>}
      <ul className="rows">
        {rules?.map((rule) => (
          <li key={rule.rule_id}>
            <div className="row-words">
              <p dir="auto">{sentenceOfRule(rule)}</p>
              {rule.learned_at !== null && <p className="about">learned {relativeTime(rule.learned_at, new Date())}</p>}
            </div>
            <button type="button" aria-label={`Undo: ${sentenceOfRule(rule)}`} onClick={() => void undo(rule)}>
              Undo
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
