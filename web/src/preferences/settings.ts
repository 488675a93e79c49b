/** When a person wants to be told. Times of day are `HH:MM` in the person's time zone. */

import { fieldsOf, listOf, textOf, wholeNumberOf } from "../gateway/fields";

export type Settings = {
  /** Both are there, or neither: no quiet hours. */
  readonly quiet_from: string | null;
  readonly quiet_until: string | null;
  readonly time_zone: string;
  readonly digest_at: readonly string[];
  readonly most_per_hour: number;
};

/** The settings, and the key that a browser needs to be notified; without one, none can be. */
export type KnownSettings = { readonly settings: Settings; readonly pushKey: string | undefined };

export function readSettings(value: unknown): KnownSettings {
  const fields = fieldsOf(value);
  const [from, until] = [timeOfDay(fields["quiet_from"]), timeOfDay(fields["quiet_until"])];
  const isQuiet = from !== undefined && until !== undefined;
  return {
    settings: {
      quiet_from: isQuiet ? from : null,
      quiet_until: isQuiet ? until : null,
      time_zone: textOf(fields["time_zone"]) || "UTC",
      digest_at: listOf(fields["digest_at"], timeOfDay),
      most_per_hour: wholeNumberOf(fields["most_per_hour"]),
    },
    pushKey: textOf(fields["push_key"]) || undefined,
  };
}

function timeOfDay(value: unknown): string | undefined {
  return /^([01]\d|2[0-3]):[0-5]\d/.exec(textOf(value))?.[0];
}
