import { useId, useState, type SyntheticEvent } from "react";

import { sentenceOf, type Gateway } from "../gateway/gateway";
import { CloseIcon } from "../style/icons";
import type { KnownSettings, Settings } from "./settings";

type Props = { gateway: Gateway; settings: Settings; changed: (known: KnownSettings) => void };

/** What is offered where quiet hours or a digest are switched on. */
const NIGHT = { quiet_from: "22:00", quiet_until: "07:00" };
const EVENING = "18:00";
const NO_NIGHT = { quiet_from: null, quiet_until: null };

/** Quiet hours, digests, and how much in an hour. Nothing is changed before it is saved. */
export function Times({ gateway, settings, changed }: Props) {
  const id = useId();
  const [draft, setDraft] = useState(settings);
  const [word, setWord] = useState<"" | "saving" | "saved">("");
  const [problem, setProblem] = useState("");
  const { quiet_from: from, quiet_until: until, digest_at: digests } = draft;
  const isQuiet = from !== null && until !== null;

  const change = (part: Partial<Settings>) => {
    setDraft({ ...draft, ...part });
    setWord("");
  };

  const save = async (event: SyntheticEvent) => {
    event.preventDefault();
    setWord("saving");
    setProblem("");
    try {
      const known = await gateway.changeSettings(draft);
      changed(known);
      setDraft(known.settings);
      setWord("saved");
    } catch (error) {
      setProblem(sentenceOf(error));
      setWord("");
    }
  };

  return (
    <form className="times" onSubmit={(event) => void save(event)}>
      <label className="check">
        <input
          type="checkbox"
          checked={isQuiet}
          onChange={(event) => {
            change(event.target.checked ? NIGHT : NO_NIGHT);
          }}
        />
        Quiet hours
      </label>
      {isQuiet && (
        <div className="pair">
          <TimeField
            label="From"
            value={from}
            change={(value) => {
              change({ quiet_from: value });
            }}
          />
          <TimeField
            label="Until"
            value={until}
            change={(value) => {
              change({ quiet_until: value });
            }}
          />
        </div>
      )}

      <div>
        <label htmlFor={`${id}-zone`}>Time zone</label>
        <select
          id={`${id}-zone`}
          value={draft.time_zone}
          onChange={(event) => {
            change({ time_zone: event.target.value });
          }}
        >
          {timeZones(settings.time_zone).map((zone) => (
            <option key={zone} value={zone}>
              {zone.replaceAll("_", " ")}
            </option>
          ))}
        </select>
      </div>

      <fieldset>
        <legend>Digests: what can wait is told together at</legend>
        <div className="digests">
          {digests.map((time, index) => (
            // A time has no other name than its place.
            <div key={index} className="digest">
              <TimeField
                label={`Digest ${index + 1}`}
                isLabelHidden
                value={time}
                change={(value) => {
                  change({ digest_at: digests.with(index, value) });
                }}
              />
              <button
                type="button"
                className="quiet"
                aria-label={`No digest at ${time}`}
                onClick={() => {
                  change({ digest_at: digests.toSpliced(index, 1) });
                }}
              >
                <CloseIcon />
              </button>
            </div>
          ))}
          <button
            type="button"
            onClick={() => {
              change({ digest_at: [...digests, EVENING] });
            }}
          >
            Add a time
          </button>
        </div>
      </fieldset>

      <div>
        <label htmlFor={`${id}-most`}>At most so many in an hour</label>
        <input
          id={`${id}-most`}
          type="number"
          inputMode="numeric"
          min={1}
          max={1000}
          step={1}
          required
          value={draft.most_per_hour === 0 ? "" : draft.most_per_hour}
          onChange={(event) => {
            change({ most_per_hour: event.target.value === "" ? 0 : event.target.valueAsNumber });
          }}
        />
      </div>

      <div className="save">
        <button type="submit" className="primary" disabled={word === "saving"}>
          Save
        </button>
        <p role="status">{word === "saved" ? "Saved" : ""}</p>
      </div>
      <p role="alert" className="refusal">
        {problem}
      </p>
    </form>
  );
}

type TimeProps = { label: string; isLabelHidden?: boolean; value: string; change: (value: string) => void };

function TimeField({ label, isLabelHidden = false, value, change }: TimeProps) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className={isLabelHidden ? "visually-hidden" : undefined}>
        {label}
      </label>
      <input
        id={id}
        type="time"
        required
        value={value}
        onChange={(event) => {
          change(event.target.value);
        }}
      />
    </div>
  );
}

/** All that the browser knows, and this one. */
function timeZones(current: string): readonly string[] {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return [...new Set([current, here, "UTC", ...Intl.supportedValuesOf("timeZone")])].sort();
}
