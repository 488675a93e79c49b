/** Fields of JSON that came from elsewhere: each is what it should be, or a default. */

export type Fields = Readonly<Record<string, unknown>>;

/** The fields of an object; none, where it is no object. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A time that can be read, as it came. */
export function timeOf(value: unknown): string | null {
  return typeof value === "string" && !Number.isNaN(Date.parse(value)) ? value : null;
}

export function wholeNumberOf(value: unknown): number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : 0;
}

/** One of the known words; a newer gateway may have others. */
export function wordOf<Known extends string, Other>(value: unknown, known: readonly Known[], otherwise: Other): Known | Other {
  return known.find((word) => word === value) ?? otherwise;
}

/** What can be read of a list; the rest is left out. */
export function listOf<Entry>(value: unknown, read: (entry: unknown) => Entry | undefined): readonly Entry[] {
  if (!Array.isArray(value)) return [];
  return (value as unknown[]).map(read).filter((entry) => entry !== undefined);
}

/** A part of a list that is longer. */
export type Page<Entry> = { readonly data: readonly Entry[]; readonly has_more: boolean };

export function pageOf<Entry>(value: unknown, read: (entry: unknown) => Entry | undefined): Page<Entry> {
  const fields = fieldsOf(value);
  return { data: listOf(fields["data"], read), has_more: fields["has_more"] === true };
}
