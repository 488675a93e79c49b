import { useId, useState, type SyntheticEvent } from "react";

import { URGENCIES, type Urgency } from "../notifications/notification";
import { REACHES, type NewTarget } from "./target";

type Channel = "email" | "webhook";

const CHANNELS: Readonly<Record<Channel, { label: string; field: string; type: string; placeholder: string }>> = {
  email: { label: "E-mail", field: "Address", type: "email", placeholder: "ada@example.org" },
  webhook: { label: "Webhook", field: "URL", type: "url", placeholder: "https://example.org/hook" },
};

type Props = { isBusy: boolean; add: (target: NewTarget) => Promise<boolean> };

/** One more place to be told at. */
export function AddTarget({ isBusy, add }: Props) {
  const id = useId();
  const [channel, setChannel] = useState<Channel>("email");
  const [address, setAddress] = useState("");
  const [least, setLeast] = useState<Urgency>("normal");
  const { field, type, placeholder } = CHANNELS[channel];

  const submit = async (event: SyntheticEvent) => {
    event.preventDefault();
    const isAdded = await add({ channel, address: address.trim(), least_urgency: least });
    if (isAdded) setAddress("");
  };

  return (
    <form className="add-target" onSubmit={(event) => void submit(event)}>
      <div className="pair">
        <div>
          <label htmlFor={`${id}-channel`}>Tell me also by</label>
          <select
            id={`${id}-channel`}
            value={channel}
            onChange={(event) => {
              setChannel(event.target.value as Channel);
            }}
          >
            {(Object.keys(CHANNELS) as Channel[]).map((name) => (
              <option key={name} value={name}>
                {CHANNELS[name].label}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label htmlFor={`${id}-least`}>What</label>
          <select
            id={`${id}-least`}
            value={least}
            onChange={(event) => {
              setLeast(event.target.value as Urgency);
            }}
          >
            {URGENCIES.map((urgency) => (
              <option key={urgency} value={urgency}>
                {REACHES[urgency]}
              </option>
            ))}
          </select>
        </div>
      </div>
      <label htmlFor={`${id}-address`}>{field}</label>
      <div className="pair">
        <input
          id={`${id}-address`}
          type={type}
          required
          maxLength={2000}
          placeholder={placeholder}
          value={address}
          onChange={(event) => {
            setAddress(event.target.value);
          }}
        />
        <button type="submit" disabled={isBusy}>
          Add
        </button>
      </div>
    </form>
  );
}
