//! What `/metrics` shows, in the two forms that Prometheus reads. Only the newer one, OpenMetrics, has room for exemplars.

use std::collections::HashMap;
use std::fmt::Write as _;

use metrics::Key;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::exemplar::{Exemplar, Exemplars};
use crate::process;

#[derive(Debug)]
pub(crate) struct Exposition {
    pub recorded: PrometheusHandle,
    pub exemplars: Exemplars,
}

impl Exposition {
    pub fn text(&self) -> String {
        let mut text = self.recorded.render();
        process::render(&mut text);
        text
    }

    pub fn open_metrics(&self) -> String {
        let mut exemplars = HashMap::new();
        self.exemplars.each(|key, bound, exemplar| {
            exemplars.insert(bucket(key, bound), exemplar.clone());
        });
        open_metrics(&self.text(), &exemplars)
    }
}

/// The older form in the newer one. They differ in what a counter is called where it is described, in how whole bounds are
/// written, in empty lines and in the end.
fn open_metrics(text: &str, exemplars: &HashMap<String, Exemplar>) -> String {
    let mut open = String::with_capacity(text.len() + 128 * exemplars.len());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(described) = line.strip_prefix("# ") {
            let _ = writeln!(open, "# {}", described.replacen("_total ", " ", 1));
            continue;
        }
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let name = with_whole_bound(name);
        let _ = write!(open, "{name} {value}");
        if let Some(Exemplar { trace_id, value, at_seconds }) = exemplars.get(&name) {
            let _ = write!(open, " # {{trace_id=\"{trace_id}\"}} {value} {at_seconds:.3}");
        }
        open.push('\n');
    }
    open.push_str("# EOF\n");
    open
}

/// `le="1"` is `le="1.0"`.
fn with_whole_bound(name: &str) -> String {
    match name.rsplit_once("le=\"").and_then(|(before, bound)| Some((before, bound.strip_suffix("\"}")?))) {
        Some((before, bound)) if bound.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{before}le=\"{bound}.0\"}}")
        }
        _ => name.to_owned(),
    }
}

/// What a bucket is called where its count is shown.
fn bucket(key: &Key, bound: Option<f64>) -> String {
    let mut name = format!("{}_bucket{{", key.name());
    for label in key.labels() {
        let value = label.value().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(name, "{}=\"{value}\",", label.key());
    }
    let _ = match bound {
        Some(bound) => write!(name, "le=\"{bound:?}\"}}"),
        None => write!(name, "le=\"+Inf\"}}"),
    };
    name
}

#[cfg(test)]
mod tests {
    use metrics::Label;

    use super::*;

    #[test]
    fn the_older_form_becomes_the_newer_one() {
        let text = "\
# HELP voice_turns_total turns that ended in_total here
# TYPE voice_turns_total counter
voice_turns_total{end=\"completed\"} 3

# TYPE voice_turn_total_seconds histogram
voice_turn_total_seconds_bucket{le=\"0.7\"} 1
voice_turn_total_seconds_bucket{le=\"1\"} 2
voice_turn_total_seconds_bucket{le=\"+Inf\"} 2
voice_turn_total_seconds_sum 1.3
voice_turn_total_seconds_count 2
";
        let slow = Exemplar { trace_id: "0af7".to_owned(), value: 0.9, at_seconds: 1_700_000_000.25 };
        let key = Key::from_name("voice_turn_total_seconds");
        assert_eq!(
            open_metrics(text, &HashMap::from([(bucket(&key, Some(1.0)), slow)])),
            "\
# HELP voice_turns turns that ended in_total here
# TYPE voice_turns counter
voice_turns_total{end=\"completed\"} 3
# TYPE voice_turn_total_seconds histogram
voice_turn_total_seconds_bucket{le=\"0.7\"} 1
voice_turn_total_seconds_bucket{le=\"1.0\"} 2 # {trace_id=\"0af7\"} 0.9 1700000000.250
voice_turn_total_seconds_bucket{le=\"+Inf\"} 2
voice_turn_total_seconds_sum 1.3
voice_turn_total_seconds_count 2
# EOF
"
        );
    }

    #[test]
    fn a_bucket_is_called_as_it_is_shown() {
        let key = Key::from_parts("a_seconds", vec![Label::new("model", "x\"y\\"), Label::new("by", "rule")]);
        assert_eq!(bucket(&key, Some(2.5)), r#"a_seconds_bucket{model="x\"y\\",by="rule",le="2.5"}"#);
        assert_eq!(bucket(&Key::from_name("a_seconds"), None), r#"a_seconds_bucket{le="+Inf"}"#);
    }
}
