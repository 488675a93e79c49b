import { useId, useState, type SyntheticEvent } from "react";

import { Brand } from "../style/brand";

/** Without a token: how to get one. */
export function ClosedDoor({ expired, open }: { expired: boolean; open: (pasted: string) => Promise<void> }) {
  const field = useId();
  const [pasted, setPasted] = useState("");
  const [refusal, setRefusal] = useState("");
  const [isAsking, setIsAsking] = useState(false);

  const submit = async (event: SyntheticEvent) => {
    event.preventDefault();
    setIsAsking(true);
    setRefusal("");
    try {
      await open(pasted);
    } catch (error) {
      setRefusal(error instanceof Error ? error.message : String(error));
      setIsAsking(false);
    }
  };

  return (
    <main className="door">
      <div className="sheet">
        <Brand />
        <h1>{expired ? "Your link has expired" : "Come in with your link"}</h1>
        <p className="lead">
          Open the link that <code>./scripts/run</code> printed, or paste an API key. A key is exchanged for a pass for this page
          and not kept.
        </p>
        <form onSubmit={(event) => void submit(event)} className="stack">
          <label htmlFor={field}>Link or API key</label>
          <input
            id={field}
            type="password"
            autoComplete="off"
            spellCheck={false}
            placeholder="aether_…"
            required
            value={pasted}
            aria-describedby={`${field}-refusal`}
            aria-invalid={refusal !== ""}
            onChange={(event) => {
              setPasted(event.target.value);
            }}
          />
          <button type="submit" className="primary" disabled={isAsking}>
            {isAsking ? "One moment…" : "Come in"}
          </button>
          <p id={`${field}-refusal`} className="refusal" role="alert">
            {refusal}
          </p>
        </form>
      </div>
    </main>
  );
}
