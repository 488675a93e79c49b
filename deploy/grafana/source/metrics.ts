// What the services really show, read from the one file in which they declare it: crates/telemetry/src/metric.rs.

export type Kind = "histogram" | "counter" | "gauge";

export interface Series {
  /** The metric it belongs to, as it is declared. */
  metric: string;
  kind: Kind;
  labels: ReadonlySet<string>;
  /** The bounds of its buckets, where it has some. */
  bounds: readonly number[];
}

const ARRAYS: [string, Kind][] = [
  ["HISTOGRAMS", "histogram"],
  ["COUNTERS", "counter"],
  ["GAUGES", "gauge"],
];

/** Every series that Prometheus gets, by name: a histogram is three of them. */
export function seriesOf(source: string): Map<string, Series> {
  const kinds = new Map(ARRAYS.flatMap(([array, kind]) => entries(source, array).map((constant) => [constant, kind] as const)));
  const usual = numbers(source, "SECONDS");
  const ofTokens = numbers(source, "TOKENS");
  const series = new Map<string, Series>();
  let labels = new Set<string>();
  for (const [, comment = "", constant = "", name = ""] of source.matchAll(/((?:\/\/\/ .*\n)+)pub const (\w+): &str = "(\w+)";/g)) {
    labels = labelsIn(comment, labels);
    const kind = kinds.get(constant);
    if (kind === undefined) throw new Error(`metric.rs: ${constant} is in none of ${ARRAYS.map(([array]) => array).join(", ")}`);
    kinds.delete(constant);
    if (kind !== "histogram") {
      series.set(name, { metric: name, kind, labels, bounds: [] });
      continue;
    }
    const hasOwn = source.includes(`Matcher::Full(${constant}.to_owned()), &TOKENS`);
    const bounds = hasOwn ? ofTokens : usual;
    series.set(`${name}_bucket`, { metric: name, kind, labels: new Set([...labels, "le"]), bounds });
    series.set(`${name}_sum`, { metric: name, kind, labels, bounds: [] });
    series.set(`${name}_count`, { metric: name, kind, labels, bounds: [] });
  }
  if (kinds.size > 0) throw new Error(`metric.rs: not understood: ${[...kinds.keys()].join(", ")}`);
  return series;
}

/** The constants that begin the rows of an array. */
function entries(source: string, array: string): string[] {
  const [, rows] = new RegExp(`const ${array}: [^=]*= \\[\\n([\\s\\S]*?)\\n\\];`).exec(source) ?? [];
  if (rows === undefined) throw new Error(`metric.rs has no ${array}`);
  return [...rows.matchAll(/^ +\((\w+),/gm)].map(([, constant = ""]) => constant);
}

function numbers(source: string, array: string): number[] {
  const [, values] = new RegExp(`const ${array}: [^=]*=\\s*\\[([^\\]]*)\\]`).exec(source) ?? [];
  if (values === undefined) throw new Error(`metric.rs has no ${array}`);
  return values.split(",").map((value) => Number(value.trim().replaceAll("_", ""))).filter((value) => value > 0);
}

/** "Labels `a` (its values), `b`." or "Labels as above." */
function labelsIn(comment: string, above: ReadonlySet<string>): Set<string> {
  const text = comment.replaceAll("///", "").replace(/\([^)]*\)/g, "");
  const [, sentence] = /\bLabels?\b([^.]*)/.exec(text) ?? [];
  if (sentence === undefined) return new Set();
  if (sentence.includes("as above")) return new Set(above);
  return new Set([...sentence.matchAll(/`(\w+)`/g)].map(([, label = ""]) => label));
}
