import { useEffect, useState } from "react";

import { sentenceOf, type Gateway } from "../gateway/gateway";
import { Rules } from "./rules";
import type { KnownSettings } from "./settings";
import { Targets } from "./targets";
import { Times } from "./times";

/** What was learned about telling, and when and where this person wants to be told. */
export function Preferences({ gateway }: { gateway: Gateway }) {
  const [known, setKnown] = useState<KnownSettings | undefined>(undefined);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    let isShown = true;
    gateway.settings().then(
      (found) => {
        if (isShown) setKnown(found);
      },
      (error: unknown) => {
        if (isShown) setProblem(sentenceOf(error));
      },
    );
    return () => {
      isShown = false;
    };
  }, [gateway]);

  return (
    <>
      <section className="preference">
        <h3>What the agent has learned</h3>
        <Rules gateway={gateway} />
      </section>
      <section className="preference">
        <h3>When to tell you</h3>
        <p role="alert" className="refusal">
          {problem}
        </p>
        {known ? <Times gateway={gateway} settings={known.settings} changed={setKnown} /> : problem === "" && <p>Looking…</p>}
      </section>
      <section className="preference">
        <h3>Where to tell you</h3>
        <Targets gateway={gateway} pushKey={known?.pushKey} isKnown={known !== undefined} />
      </section>
    </>
  );
}
