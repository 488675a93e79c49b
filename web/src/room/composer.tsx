import { useId, useState, type SyntheticEvent, type KeyboardEvent } from "react";

import { SendIcon } from "../style/icons";

type Props = {
  /** False: it was not sent. */
  write: (text: string) => Promise<boolean>;
  isDisabled: boolean;
};

/** Writes to the agent: Enter sends, Shift and Enter make a new line. */
export function Composer({ write, isDisabled }: Props) {
  const id = useId();
  const [text, setText] = useState("");
  const [isUnsent, setIsUnsent] = useState(false);

  const send = async () => {
    const words = text.trim();
    if (words === "" || isDisabled) return;
    setText("");
    setIsUnsent(false);
    if (await write(words)) return;
    // What could not be sent is not lost, nor is what was typed since.
    setText((since) => (since === "" ? words : since));
    setIsUnsent(true);
  };

  const pressed = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };

  return (
    <form
      className="composer"
      onSubmit={(event: SyntheticEvent) => {
        event.preventDefault();
        void send();
      }}
    >
      <label className="visually-hidden" htmlFor={id}>
        Message to the agent
      </label>
      <textarea
        id={id}
        rows={1}
        value={text}
        placeholder={isUnsent ? "Not sent. Try again" : "Type to the agent"}
        enterKeyHint="send"
        onKeyDown={pressed}
        onChange={(event) => {
          setText(event.target.value);
        }}
      />
      <button type="submit" className="send" disabled={isDisabled || text.trim() === ""} aria-label="Send">
        <SendIcon />
      </button>
      {isUnsent && (
        <p className="visually-hidden" role="alert">
          The message was not sent. Try again.
        </p>
      )}
    </form>
  );
}
