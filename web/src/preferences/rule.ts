/** What the agent has learned about notifications of one kind. */

import { fieldsOf, textOf, timeOf } from "../gateway/fields";

export type Rule = {
  readonly rule_id: string;
  readonly source: string;
  readonly kind: string;
  /** `now`, `digest`, `never`, or what a newer gateway knows. */
  readonly decision: string;
  readonly reason: string;
  readonly learned_at: string | null;
};

export function readRule(value: unknown): Rule | undefined {
  const fields = fieldsOf(value);
  const id = textOf(fields["rule_id"]);
  if (id === "") return undefined;
  return {
    rule_id: id,
    source: textOf(fields["source"]),
    kind: textOf(fields["kind"]),
    decision: textOf(fields["decision"]),
    reason: textOf(fields["reason"]),
    learned_at: timeOf(fields["learned_at"]),
  };
}

const DECISIONS: ReadonlyMap<string, string> = new Map([
  ["now", "at once"],
  ["digest", "in the digest"],
  ["never", "not told"],
]);

/** Such as: build.failed from github: in the digest, because you dismissed it 3 times. */
export function sentenceOfRule({ source, kind, decision, reason }: Rule): string {
  const what = [kind || "Everything", source === "" ? "" : `from ${source}`].filter(Boolean).join(" ");
  const how = DECISIONS.get(decision) ?? (decision || "as learned");
  const because = reason.trim().replace(/^because\s+/i, "").replace(/\.$/, "");
  return because === "" ? `${what}: ${how}` : `${what}: ${how}, because ${because}`;
}
