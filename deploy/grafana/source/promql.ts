// What a query asks for, by Prometheus's own grammar.

import type { SyntaxNode } from "@lezer/common";
import { parser } from "@prometheus-io/lezer-promql";

export interface Matcher {
  label: string;
  operator: string;
  value: string;
}

export interface Selector {
  name: string;
  matchers: Matcher[];
  /** The functions around it, the nearest first. */
  functions: string[];
}

export interface Query {
  selectors: Selector[];
  /** Labels that survive a `by`, or that vectors are matched on. */
  grouping: string[];
}

/** Fails where Prometheus would not understand it. */
export function parse(expression: string): Query {
  // Grafana's variables are durations.
  const text = expression.replace(/\$__rate_interval|\$window/g, "5m");
  const query: Query = { selectors: [], grouping: [] };
  const read = (node: SyntaxNode): string => text.slice(node.from, node.to);
  parser.parse(text).iterate({
    enter({ type, from, node }) {
      if (type.isError) throw new Error(`not understood from "${text.slice(Math.max(0, from - 20), from + 20)}" on`);
      if (type.name === "VectorSelector") query.selectors.push(selector(node, read));
      if (type.name === "GroupingLabels") query.grouping.push(...node.getChildren("LabelName").map(read));
    },
  });
  return query;
}

function selector(node: SyntaxNode, read: (node: SyntaxNode) => string): Selector {
  const name = node.getChild("Identifier");
  if (name === null) throw new Error(`${read(node)} names no metric`);
  const matchers = (node.getChild("LabelMatchers")?.getChildren("UnquotedLabelMatcher") ?? []).map((matcher): Matcher => {
    const [label, operator, value] = ["LabelName", "MatchOp", "StringLiteral"].map((part) => matcher.getChild(part));
    if (!label || !operator || !value) throw new Error(`${read(matcher)} is not understood`);
    return { label: read(label), operator: read(operator), value: read(value).slice(1, -1) };
  });
  const functions: string[] = [];
  for (let around = node.parent; around !== null; around = around.parent) {
    const called = around.getChild("FunctionIdentifier");
    if (around.name === "FunctionCall" && called !== null) functions.push(read(called));
  }
  return { name: read(name), matchers, functions };
}
