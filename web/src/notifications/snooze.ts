/** Until when a notification is put off. */

export type Snooze = { readonly label: string; readonly minutes: (now: Date) => number };

const MORNING_HOUR = 8;

export const SNOOZES: readonly Snooze[] = [
  { label: "10 minutes", minutes: () => 10 },
  { label: "1 hour", minutes: () => 60 },
  { label: "Tomorrow at 8:00", minutes: minutesUntilTomorrow },
];

/** Until eight o'clock of the next day, by this browser's clock, whatever is done to that clock in the night. */
export function minutesUntilTomorrow(now: Date): number {
  const morning = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1, MORNING_HOUR);
  return Math.ceil((morning.getTime() - now.getTime()) / 60_000);
}
