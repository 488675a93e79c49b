"""Asks what watches Aether for one turn: scripts/try-compose runs it once the turn was spoken.

  watched.py ANSWER LOKI      what `aether talk --json` wrote, and where Loki is; the others are asked through the door
"""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

JAEGER = "http://127.0.0.1:16686"
PROMETHEUS = "http://127.0.0.1:9090"
ALERTMANAGER = "http://127.0.0.1:9093"
# Metrics are asked for every 15 seconds, rules looked at every 30, and their names looked up every 30.
WITHIN_S = 120
# The six services, Prometheus itself and Alertmanager.
TARGETS = 8


class NotYet(Exception):
    pass


def ask(url, **query):
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
        return json.load(answer)


def all_targets():
    targets = ask(f"{PROMETHEUS}/api/v1/targets")["data"]["activeTargets"]
    away = [f"{target['scrapeUrl']} {target['lastError']}" for target in targets if target["health"] != "up"]
    if away or len(targets) != TARGETS:
        raise NotYet(f"{len(targets)} targets instead of {TARGETS}; not up: {away}")
    return f"Prometheus asks {TARGETS} targets, and all answer"


def exemplar(trace):
    now = time.time()
    series = ask(
        f"{PROMETHEUS}/api/v1/query_exemplars", query="voice_turn_total_seconds_bucket", start=now - 3600, end=now
    )["data"]
    found = {exemplar["labels"]["trace_id"] for one in series for exemplar in one["exemplars"]}
    if trace not in found:
        raise NotYet(f"the exemplars of voice_turn_total_seconds lead to {sorted(found)}")
    return "an exemplar of voice_turn_total_seconds leads to the turn's trace"


def rules():
    groups = ask(f"{PROMETHEUS}/api/v1/rules")["data"]["groups"]
    loaded = [rule for group in groups for rule in group["rules"]]
    bad = [f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}" for rule in loaded if rule["health"] != "ok"]
    if bad or not loaded:
        raise NotYet(f"{len(loaded)} rules; not in order: {bad}")
    return f"Prometheus has looked at all {len(loaded)} rules"


def alertmanager():
    told = ask(f"{PROMETHEUS}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    if [one["url"] for one in told] != ["http://alertmanager:9093/api/v2/alerts"]:
        raise NotYet(f"Prometheus tells {told}")
    failed = ask(f"{PROMETHEUS}/api/v1/query", query="prometheus_notifications_errors_total > 0")["data"]["result"]
    if failed:
        raise NotYet(f"Prometheus could not tell Alertmanager: {failed}")
    receivers = {receiver["name"] for receiver in ask(f"{ALERTMANAGER}/api/v2/receivers")}
    if receivers != {"page", "ticket"}:
        raise NotYet(f"Alertmanager has the receivers {receivers}")
    return "Prometheus tells Alertmanager, which runs with its configuration"


def trace_in_jaeger(trace):
    found = ask(f"{JAEGER}/api/traces/{trace}")["data"][0]
    services = {process["serviceName"] for process in found["processes"].values()}
    if not {"agent", "brain", "tts"} <= services:
        raise NotYet(f"the trace has spans of {sorted(services)} alone")
    return f"Jaeger has the turn's trace: {len(found['spans'])} spans of {', '.join(sorted(services))}"


def lines_in_loki(loki, trace, turn):
    for label, value, wanted in (("turn", turn, {"brain"}), ("trace_id", trace, {"brain", "tts"})):
        query = f'{{service=~".+"}} | {label}="{value}"'
        streams = ask(f"{loki}/loki/api/v1/query_range", query=query, since="1h")["data"]["result"]
        services = {stream["stream"]["service"] for stream in streams}
        if not wanted <= services:
            raise NotYet(f"{query} finds lines of {sorted(services)} alone")
        if not all(value in line for stream in streams for _, line in stream["values"]):
            raise NotYet(f"{query} finds lines that do not hold it")
    return "Loki finds what the services logged, by the turn's id and by its trace's"


def within(what):
    until = time.monotonic() + WITHIN_S
    while True:
        try:
            print(what(), flush=True)
            return
        except (NotYet, urllib.error.URLError, KeyError, IndexError) as error:
            if time.monotonic() > until:
                sys.exit(f"after {WITHIN_S} s: {error!r}")
        time.sleep(1)


def main():
    answer, loki = sys.argv[1:]
    with open(answer, encoding="utf-8") as file:
        told = json.loads(file.readlines()[-1])
    trace, turn = told["trace_id"], told["turn_id"]
    within(all_targets)
    within(lambda: exemplar(trace))
    within(rules)
    within(alertmanager)
    within(lambda: trace_in_jaeger(trace))
    within(lambda: lines_in_loki(loki, trace, turn))


main()
