// Asks a running Prometheus every query of the dashboards and every alert, and names those that it has no series for.
//
//   npm run ask -- URL [TIME]     TIME such as 2026-11-30T02:00:00Z; now by default

import { parse as parseYaml } from "yaml";

import { OURS } from "./repository.js";

interface Answer {
  status: string;
  error?: string;
  data?: { result: unknown[] };
}

const [url, at] = process.argv.slice(2);
if (url === undefined) {
  console.error("whom to ask? A URL such as http://127.0.0.1:9090");
  process.exit(2);
}

const queries: [string, string][] = [];
for (const [file, text] of OURS.dashboards) {
  const { panels } = JSON.parse(text) as { panels: { title: string; targets?: { expr?: string }[] }[] };
  for (const { title, targets } of panels) {
    for (const { expr } of targets ?? []) if (expr !== undefined) queries.push([`${file}, ${title}`, expr]);
  }
}
const { groups } = parseYaml(OURS.read("deploy/prometheus/alerts.yml")) as {
  groups: { rules: { record?: string; expr: string; labels?: Record<string, string> }[] }[];
};
for (const { record, expr, labels } of groups.flatMap((group) => group.rules)) {
  if (record !== undefined) queries.push([`${record} ${labels?.objective ?? ""}`, expr]);
}

let answered = 0;
let refused = 0;
for (const [place, expression] of queries) {
  const query = expression.replaceAll("$__rate_interval", "1m").replaceAll("$window", "15m");
  const body = new URLSearchParams({ query, ...(at === undefined ? {} : { time: at }) });
  const response = await fetch(new URL("/api/v1/query", url), { method: "POST", body });
  const answer = (await response.json()) as Answer;
  if (answer.status !== "success") {
    refused += 1;
    console.log(`refused  ${place}: ${answer.error ?? ""}\n         ${query}`);
  } else if ((answer.data?.result.length ?? 0) === 0) console.log(`nothing  ${place}\n         ${query}`);
  else answered += 1;
}
console.log(`${answered} of ${queries.length} have an answer`);
if (refused > 0) process.exit(1);
