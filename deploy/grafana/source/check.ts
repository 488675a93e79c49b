// Checks dashboards, rules and runbooks against what the services show. Syntax of rules and configuration is promtool's and
// amtool's to check; types of the dashboards are the compiler's.

import { basename } from "node:path";

import { parse as parseYaml } from "yaml";

import { LIMITS } from "./limits.js";
import { type Series, seriesOf } from "./metrics.js";
import type { Repository } from "./repository.js";
import { parse, type Query, type Selector } from "./promql.js";

interface Rule {
  record?: string;
  alert?: string;
  expr: string;
  for?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

interface Test {
  alert_rule_test?: { alertname: string; exp_alerts: { exp_labels: Record<string, string> }[] }[];
}

/** What Prometheus itself adds to each series: the job and the process, and what deploy/prometheus/prometheus.yml says. */
const OF_EVERY_TARGET = ["job", "instance", "service"];
const COUNTING = ["rate", "increase"];
const METRICS = "crates/telemetry/src/metric.rs";

interface Shown {
  type: string;
  title?: string;
  description?: string;
  fieldConfig?: { defaults: { unit?: string } };
  datasource?: { uid?: string };
  targets?: { expr?: string; legendFormat?: string }[];
}

/** What is wrong, each with its place. */
export function faultsOf(repository: Repository): string[] {
  const faults: string[] = [];
  const fault = (place: string, what: unknown): void => {
    faults.push(`${place}: ${what instanceof Error ? what.message : String(what)}`);
  };
  const read = (path: string): string => repository.read(path);

  const series = seriesOf(read(METRICS));
  const { groups } = parseYaml(read("deploy/prometheus/alerts.yml")) as { groups: { rules: Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  const recorded = new Map<string, Set<string>>();
  const words = literals();
  const used = new Set<string>();

  /**
   * Every text in the services' source, and every label of a rule: a value that a query asks for is one of them, or misspelt. Where
   * metrics are declared they are only repeated.
   */
  function literals(): Set<string> {
    const found = new Set<string>(["aether"]);
    for (const path of repository.list("crates")) {
      if (!/^crates\/[^/]+\/src\/.*\.rs$/.test(path) || path === METRICS) continue;
      for (const [, text = ""] of read(path).matchAll(/"([^"\\\n]*)"/g)) found.add(text);
    }
    for (const rule of rules) for (const value of Object.values(rule.labels ?? {})) found.add(value);
    return found;
  }

  function labelsOf(selector: Selector): Set<string> | undefined {
    if (selector.name === "up") return new Set(OF_EVERY_TARGET);
    const known = series.get(selector.name)?.labels ?? recorded.get(selector.name);
    return known && new Set([...known, ...(series.has(selector.name) ? OF_EVERY_TARGET : [])]);
  }

  /** The names and labels of an expression; the labels that its result may have. */
  function checkQuery(place: string, expression: string): Set<string> {
    let query: Query;
    try {
      query = parse(expression);
    } catch (error) {
      fault(place, error);
      return new Set();
    }
    const available = new Set<string>();
    for (const selector of query.selectors) {
      const labels = labelsOf(selector);
      if (labels === undefined) {
        fault(place, `there is no metric ${selector.name}`);
        continue;
      }
      for (const label of labels) available.add(label);
      const declared = series.get(selector.name);
      if (declared !== undefined) {
        used.add(declared.metric);
        checkUse(place, selector, declared);
      }
      for (const { label, operator, value } of selector.matchers) {
        if (!labels.has(label)) fault(place, `${selector.name} has no label ${label}`);
        else if (label === "le") checkBounds(place, selector.name, declared, value);
        else checkValues(place, label, operator, value);
      }
    }
    for (const label of query.grouping) if (!available.has(label)) fault(place, `nothing here has the label ${label}`);
    return query.grouping.length > 0 ? new Set(query.grouping) : available;
  }

  /** A value that is shown from the start, and that nothing else ever uses, would stay at zero. */
  function checkFromZero(): void {
    const [, rows = ""] = /const FROM_ZERO: [^=]*= \[\n([\s\S]*?)\n\];/.exec(read(METRICS)) ?? [];
    const texts = [...rows.matchAll(/"([^"]*)"/g)].map(([, text = ""]) => text);
    if (texts.length === 0) fault("metric.rs", "there is no FROM_ZERO");
    for (const text of texts) if (!words.has(text)) fault("metric.rs, FROM_ZERO", `there is no "${text}" elsewhere`);
  }

  /** A counter says something only as a rate, a gauge only as it is, a percentile only of buckets. */
  function checkUse(place: string, { name, functions }: Selector, { kind, metric }: Series): void {
    const isCounted = functions.some((called) => COUNTING.includes(called));
    if (kind === "gauge" && isCounted) fault(place, `${name} is a gauge: its rate means nothing`);
    if (kind !== "gauge" && !isCounted) fault(place, `${name} only grows: ask for its rate or increase`);
    if (functions.includes("histogram_quantile") && name !== `${metric}_bucket`) fault(place, `a percentile of ${name}, which is no bucket`);
  }

  function checkBounds(place: string, name: string, declared: Series | undefined, value: string): void {
    const named = value.replaceAll("[.]", ".").split("|");
    for (const text of named) {
      const bound = Number(text);
      if (!declared?.bounds.includes(bound)) fault(place, `${name} has no bucket that ends at ${text}`);
      const other = text.endsWith(".0") ? text.slice(0, -2) : `${text}.0`;
      if (Number.isInteger(bound) && !named.includes(other)) {
        fault(place, `${name}: before version 3, Prometheus calls a bound 1, since then 1.0: match both, not only ${text}`);
      }
    }
  }

  function checkValues(place: string, label: string, operator: string, value: string): void {
    if (label === "instance" || value === "") return;
    for (const text of operator.endsWith("~") ? value.split("|") : [value]) {
      if (!words.has(text)) fault(place, `${label} is never "${text}"`);
    }
  }

  function checkRules(): void {
    for (const rule of rules) {
      const place = `alerts.yml, ${rule.record ?? rule.alert ?? "?"}${rule.labels?.objective ? ` of ${rule.labels.objective}` : ""}`;
      const labels = checkQuery(place, rule.expr);
      if (rule.record !== undefined) {
        const known = recorded.get(rule.record) ?? new Set<string>();
        // A sum without `by` has no label but those that the rule adds.
        const isBare = /^\s*sum\(/.test(rule.expr);
        for (const label of [...(isBare ? [] : labels), ...Object.keys(rule.labels ?? {})]) known.add(label);
        recorded.set(rule.record, known);
        continue;
      }
      if (!["page", "ticket"].includes(rule.labels?.severity ?? "")) fault(place, "the severity is neither page nor ticket");
      if (rule.for === undefined) fault(place, "it does not say for how long");
      for (const name of ["summary", "description"]) if (!rule.annotations?.[name]) fault(place, `it has no ${name}`);
      for (const [, label = ""] of Object.values(rule.annotations ?? {}).join(" ").matchAll(/\$labels\.(\w+)/g)) {
        if (!labels.has(label)) fault(place, `it tells of a label ${label}, which the alert does not have`);
      }
      const runbook = `docs/runbooks/${rule.alert ?? ""}.md`;
      if (rule.annotations?.runbook !== runbook) fault(place, `its runbook is not ${runbook}`);
      else if (!repository.has(runbook)) fault(place, `there is no ${runbook}`);
    }
  }

  function checkRunbooks(): void {
    const alerts = new Set(rules.flatMap((rule) => rule.alert ?? []));
    for (const path of repository.list("docs/runbooks")) {
      const alert = basename(path, ".md");
      if (alert === "README") continue;
      if (!alerts.has(alert)) fault(path, "there is no such alert");
      const text = read(path);
      for (const [, metric = ""] of text.matchAll(/\b((?:aether|voice|gen_ai|part)_\w+_(?:seconds|total|active|up|usage)\w*)/g)) {
        const isKnown = series.has(metric) || series.has(`${metric}_count`);
        if (!isKnown) fault(path, `there is no metric ${metric}`);
      }
      for (const [, panel = ""] of text.matchAll(/panel \*([^*]+)\*/g)) {
        if (![...repository.dashboards.values()].some((file) => file.includes(`"title": ${JSON.stringify(panel)}`))) {
          fault(path, `there is no panel ${panel}`);
        }
      }
    }
  }

  /** Each alert, in each of its severities, fires in one test and stays silent in another. */
  function checkTests(): void {
    const { tests } = parseYaml(read("deploy/prometheus/alerts.test.yml")) as { tests: Test[] };
    const cases = tests.flatMap((test) => test.alert_rule_test ?? []);
    for (const { alertname } of cases) {
      if (!rules.some(({ alert }) => alert === alertname)) fault("alerts.test.yml", `there is no alert ${alertname}: it is always silent`);
    }
    for (const { alert, labels } of rules) {
      if (alert === undefined) continue;
      const of = cases.filter((one) => one.alertname === alert);
      const fires = ({ exp_alerts }: (typeof of)[number]): boolean =>
        exp_alerts.some(({ exp_labels }) => exp_labels.severity === labels?.severity);
      if (!of.some(fires)) fault("alerts.test.yml", `no test fires ${alert} as a ${labels?.severity ?? "?"}`);
      if (of.every(fires)) fault("alerts.test.yml", `no test leaves ${alert} silent as a ${labels?.severity ?? "?"}`);
    }
  }

  function checkDashboards(): void {
    for (const path of repository.list("deploy/grafana/dashboards")) {
      if (!repository.dashboards.has(basename(path))) fault(path, "nothing describes it; `npm run write` removes it");
    }
    const provisioned = read("deploy/grafana/provisioning/datasources/aether.yml");
    const { datasources } = parseYaml(provisioned) as { datasources: { uid: string }[] };
    const sources = new Set(datasources.map(({ uid }) => uid));
    for (const [name, text] of repository.dashboards) {
      const path = `deploy/grafana/dashboards/${name}`;
      if (!repository.has(path) || read(path) !== text) {
        fault(path, "it is not what its description says; `npm run write --prefix deploy/grafana` writes it");
      }
      const panels = (JSON.parse(text) as { panels: Shown[] }).panels.filter((panel) => panel.type !== "row");
      const titles = new Set<string>();
      for (const panel of panels) {
        const place = `${name}, ${panel.title ?? "?"}`;
        if (!panel.title || titles.has(panel.title)) fault(place, "the title is missing, or there twice");
        titles.add(panel.title ?? "");
        if (!panel.description) fault(place, "it has no description");
        if (!panel.fieldConfig?.defaults.unit) fault(place, "it has no unit");
        if (!sources.has(panel.datasource?.uid ?? "")) fault(place, "its data source is not provisioned");
        for (const { expr, legendFormat = "" } of panel.targets ?? []) {
          if (expr === undefined) continue;
          const labels = checkQuery(place, expr);
          for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
            if (!labels.has(label)) fault(place, `its lines are called by the label ${label}, which they don't have`);
          }
        }
      }
    }
  }

  /** Prometheus asks where the services answer by default. */
  function checkTargets(): void {
    interface Configuration {
      scrape_configs: { job_name: string; dns_sd_configs?: { names: string[]; port: number }[] }[];
    }
    const { scrape_configs } = parseYaml(read("deploy/prometheus/prometheus.yml")) as Configuration;
    const asked = new Map(
      scrape_configs
        .filter(({ job_name }) => job_name === "aether")
        .flatMap(({ dns_sd_configs }) => dns_sd_configs ?? [])
        .flatMap(({ names, port }) => names.map((name) => [name, port] as const)),
    );
    const settings = read("crates/settings/src/blocks/http.rs");
    const ports = [...settings.matchAll(/key: "(\w+)\.bind",[^}]*?default: Some\("[^"]*:(\d+)"\)/g)];
    if (ports.length === 0) fault("http.rs", "no ports were found in it");
    for (const [, service = "", port = ""] of ports) {
      if (asked.get(service) !== Number(port)) fault("prometheus.yml", `${service} is not asked on its port ${port}`);
      asked.delete(service);
    }
    for (const name of asked.keys()) fault("prometheus.yml", `there is no service ${name}`);
  }

  /** One idea of what is fast, here and in the gateway. */
  function checkLimits(): void {
    const latency = read("crates/gateway/src/latency.rs");
    for (const [name, limit] of Object.entries(LIMITS)) {
      if (!("stage" in limit)) continue;
      const [, ms] = new RegExp(`Self::${limit.stage} => \\([^,]*, Some\\((\\d+)\\)\\)`).exec(latency) ?? [];
      if (Number(ms) !== limit.p95 * 1000) fault(`limits.ts, ${name}`, `the gateway says ${ms ?? "nothing"} ms`);
    }
  }

  checkFromZero();
  checkRules();
  checkRunbooks();
  checkTests();
  checkDashboards();
  checkTargets();
  checkLimits();
  for (const { metric } of series.values()) if (!used.has(metric)) fault("metric.rs", `${metric} is shown nowhere`);
  return [...new Set(faults)];
}
