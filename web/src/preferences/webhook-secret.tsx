import { useId, useRef, useState } from "react";

/** What a webhook's calls are signed with. It is shown once, when the webhook is made, and can't be asked for later. */
export function WebhookSecret({ secret, address }: { secret: string; address: string }) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [word, setWord] = useState("");

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(secret);
      setWord("Copied");
    } catch {
      // Over an unencrypted address there is no clipboard for pages.
      field.current?.select();
      setWord("It is selected: copy it with your keyboard");
    }
  };

  return (
    <div className="secret" role="group" aria-labelledby={`${id}-label`}>
      <label id={`${id}-label`} htmlFor={id}>
        Secret of {address}. Copy it now: it is not shown again.
      </label>
      <div className="pair">
        <input id={id} ref={field} readOnly value={secret} spellCheck={false} />
        <button type="button" onClick={() => void copy()}>
          Copy
        </button>
      </div>
      <p role="status">{word}</p>
    </div>
  );
}
