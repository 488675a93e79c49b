import { useId } from "react";

import { MicrophoneIcon } from "../style/icons";
import type { Microphone } from "./room-view";
import { useLevel } from "./use-level";

/** The microphone: on or off, how loud it is, and which one it is. */
export function MicrophoneSwitch({ microphone, isDisabled }: { microphone: Microphone; isDisabled: boolean }) {
  const id = useId();
  const meter = useLevel<HTMLSpanElement>(microphone.isOn ? microphone.track : undefined);
  return (
    <div className="microphone">
      <button
        type="button"
        role="switch"
        className="switch"
        aria-checked={microphone.isOn}
        disabled={isDisabled}
        onClick={() => {
          microphone.set(!microphone.isOn);
        }}
      >
        <MicrophoneIcon off={!microphone.isOn} />
        <span>
          Mic<span className="wide">rophone</span>
        </span>
        <span className="meter" ref={meter} aria-hidden="true">
          <span />
        </span>
      </button>
      <span className="chooser">
        <label className="visually-hidden" htmlFor={id}>
          Choice of microphone
        </label>
        <select
          id={id}
          value={microphone.chosen}
          disabled={isDisabled || microphone.devices.length === 0}
          title="Choice of microphone"
          onChange={(event) => {
            microphone.choose(event.target.value);
          }}
        >
          {microphone.devices.map((device, number) => (
            <option key={device.deviceId} value={device.deviceId}>
              {device.label || `Microphone ${number + 1}`}
            </option>
          ))}
        </select>
      </span>
    </div>
  );
}
