// Whether the checks would notice. Each threshold of each alert is raised by half, one at a time, and all of an alert's are lowered by
// a third: its tests have to fail. And in the files something is misspelt, left out or changed: a fault has to be found.
//
//   npm run prove -- [ALERT…]     only these alerts; all by default, which takes some minutes

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parse as parseYaml, stringify } from "yaml";

import { faultsOf } from "./check.js";
import { OURS } from "./repository.js";

interface Rule {
  alert?: string;
  expr: string;
  labels?: Record<string, string>;
}
interface Rules {
  groups: { rules: Rule[] }[];
}
interface Tests {
  tests: { alert_rule_test: { alertname: string }[] }[];
}

const wanted = process.argv.slice(2);
const survivors: string[] = [];
let changes = 0;

function passes(folder: string, rules: Rules, tests: Tests): boolean {
  writeFileSync(join(folder, "alerts.yml"), stringify(rules));
  writeFileSync(join(folder, "alerts.test.yml"), stringify(tests));
  try {
    execFileSync("promtool", ["test", "rules", join(folder, "alerts.test.yml")], { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}

const THRESHOLD = /(>=|>|==) ([\d.]+)/g;

/** `expr` with its thresholds changed: all of them, or the one of that number. */
function changed(expr: string, factor: number, only?: number): string {
  let number = 0;
  return expr.replace(THRESHOLD, (whole, operator: string, value: string) => {
    if (only !== undefined && number++ !== only) return whole;
    return `${operator} ${operator === "==" ? 1 - Number(value) : Number(value) * factor}`;
  });
}

function proveThresholds(): void {
  const text = OURS.read("deploy/prometheus/alerts.yml");
  const all = parseYaml(OURS.read("deploy/prometheus/alerts.test.yml")) as Tests;
  const folder = mkdtempSync(join(tmpdir(), "aether-alerts-"));
  try {
    const proven = new Set<string>();
    const { groups } = parseYaml(text) as Rules;
    groups.forEach(({ rules }, group) => {
      rules.forEach(({ alert, expr, labels }, index) => {
        if (alert === undefined || (wanted.length > 0 && !wanted.includes(alert))) return;
        const tests = { ...all, tests: all.tests.filter((test) => test.alert_rule_test.some((one) => one.alertname === alert)) };
        // A test that fails anyway, or that can't be run, would prove anything.
        if (!proven.has(alert) && !passes(folder, parseYaml(text) as Rules, tests)) throw new Error(`the tests of ${alert} do not pass`);
        proven.add(alert);
        const thresholds = [...expr.matchAll(THRESHOLD)].length;
        const variants: [string, string][] = [...Array(thresholds).keys()].map((only) => [
          `threshold ${only + 1} raised`,
          changed(expr, 1.5, only),
        ]);
        variants.push(["all thresholds lowered", changed(expr, 2 / 3)]);
        for (const [what, variant] of variants) {
          const rules = parseYaml(text) as Rules;
          const rule = rules.groups[group]?.rules[index];
          if (rule === undefined) throw new Error(`there is no rule ${index} in group ${group}`);
          rule.expr = variant;
          changes += 1;
          if (passes(folder, rules, tests)) survivors.push(`${alert} as a ${labels?.severity ?? "?"}: ${what}, and its tests pass`);
        }
      });
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** In this file, the first of this text becomes that. */
const EDITS: [path: string, from: string, to: string][] = [
  ["crates/telemetry/src/metric.rs", '"voice_turn_total_seconds"', '"voice_turn_whole_seconds"'],
  ["crates/telemetry/src/metric.rs", "Labels `subject`, `outcome`", "Labels `subject`"],
  ["crates/telemetry/src/metric.rs", " 0.4,", ""],
  ["crates/telemetry/src/metric.rs", "(SESSIONS,", "(SESSIONS_,"],
  ["crates/telemetry/src/metric.rs", '"withdrawn", "error"]', '"withdrawn", "errors"]'],
  ["crates/gateway/src/latency.rs", "Some(800)", "Some(700)"],
  ["crates/settings/src/blocks/http.rs", "127.0.0.1:7902", "127.0.0.1:7912"],
  ["deploy/prometheus/alerts.yml", "voice_stt_decode_seconds_count", "voice_stt_decodes_seconds_count"],
  ["deploy/prometheus/alerts.yml", 'end="error"', 'ending="error"'],
  ["deploy/prometheus/alerts.yml", 'end="error"', 'end="eror"'],
  ["deploy/prometheus/alerts.yml", 'le="0.4"', 'le="0.5"'],
  ["deploy/prometheus/alerts.yml", 'le=~"1|1[.]0"', 'le="1"'],
  ["deploy/prometheus/alerts.yml", 'rate1h{objective="whole_turn"}', 'rate1h{objective="whole_turns"}'],
  ["deploy/prometheus/alerts.yml", "$labels.part ", "$labels.parts "],
  ["deploy/prometheus/alerts.yml", "by (kind)", "by (kinds)"],
  ["deploy/prometheus/alerts.yml", "{ severity: page }", "{ severity: paeg }"],
  ["deploy/prometheus/alerts.yml", "        for: 2m\n", ""],
  ["deploy/prometheus/alerts.yml", "runbooks/JobsWait.md", "runbooks/JobWaits.md"],
  ["deploy/prometheus/alerts.test.yml", "alertname: JobsWait", "alertname: JobWaits"],
  ["deploy/prometheus/prometheus.yml", "port: 7904", "port: 7905"],
  ["deploy/grafana/dashboards/rooms.json", "voice_session_active", "voice_sessions_active"],
  ["deploy/grafana/provisioning/datasources/aether.yml", "uid: jaeger", "uid: traces"],
  ["docs/runbooks/JobsWait.md", "panels *Jobs by state*", "panel *Jobs by states*"],
];

/** The same for what a dashboard's file is to be. */
const SHOWN: [file: string, from: string, to: string][] = [
  ["rooms.json", "sum(voice_session_active)", "sum(voice_sessions_active)"],
  ["rooms.json", "sum(voice_session_active)", "sum(rate(voice_session_active[$window]))"],
  ["bus.json", "by (subject, outcome)", "by (subject, result)"],
  ["bus.json", "{{subject}}: {{outcome}}", "{{subject}}: {{code}}"],
  ["turn-latency.json", "rate(voice_turn_total_seconds_bucket[$window])", "voice_turn_total_seconds_bucket"],
  ["turn-latency.json", "sum by (le)", "sum by le"],
  ["engines.json", "voice_stt_decode_seconds_bucket", "voice_stt_decode_seconds_sum"],
];

function proveFiles(): void {
  if (faultsOf(OURS).length > 0) throw new Error("there is a fault already");
  const notice = (what: string, repository: typeof OURS): void => {
    changes += 1;
    let found: string[];
    try {
      found = faultsOf(repository);
    } catch (error) {
      found = [String(error)];
    }
    if (found.length === 0) survivors.push(`${what}, and no fault is found`);
  };
  const replaced = (text: string, from: string, to: string, place: string): string => {
    if (!text.includes(from)) throw new Error(`${place} has no ${from}: change prove.ts`);
    return text.replace(from, () => to);
  };
  for (const [path, from, to] of EDITS) {
    const text = replaced(OURS.read(path), from, to, path);
    notice(`${path}: ${from} became ${to}`, { ...OURS, read: (other) => (other === path ? text : OURS.read(other)) });
  }
  for (const [file, from, to] of SHOWN) {
    const text = replaced(OURS.dashboards.get(file) ?? "", from, to, file);
    const path = `deploy/grafana/dashboards/${file}`;
    notice(`${file}: ${from} became ${to}`, {
      ...OURS,
      dashboards: new Map([...OURS.dashboards, [file, text]]),
      // Written, too: what is wrong is the description.
      read: (other) => (other === path ? text : OURS.read(other)),
    });
  }
  const gone = "docs/runbooks/JobsWait.md";
  notice(`${gone} is gone`, { ...OURS, has: (path) => path !== gone && OURS.has(path) });
}

proveFiles();
proveThresholds();
for (const line of survivors) console.error(line);
if (survivors.length > 0) process.exit(1);
console.log(`Each of ${changes} changes was noticed.`);
