//! One log line, from its parts to its bytes. Pure: the layer gathers the parts.

use std::fmt::Write as _;

use aether_settings::LogFormat;
use serde_json::{Map, Value};
use tracing::Level;
use tracing::field::{Field, Visit};

use crate::with_causes;

/// Span fields that every line below the span carries. Written with or without `_id`.
pub(crate) const ID_FIELDS: [&str; 8] =
    ["tenant", "agent", "session", "room", "turn", "request", "job", "notification"];

/// Values by field name, in the order in which they were recorded.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields(pub(crate) Vec<(String, Value)>);

impl Fields {
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.set(field.name(), Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), Value::String(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field.name(), Value::String(with_causes(value)));
    }
}

/// Only the ids among a span's fields.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ids(pub(crate) Fields);

impl Visit for Ids {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let name = field.name().strip_suffix("_id").unwrap_or(field.name());
        if ID_FIELDS.contains(&name) {
            self.0.set(name, Value::String(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let name = field.name().strip_suffix("_id").unwrap_or(field.name());
        if ID_FIELDS.contains(&name) {
            self.0.set(name, Value::String(value.to_owned()));
        }
    }
}

/// Everything a line says.
pub(crate) struct LogLine<'a> {
    pub(crate) time: String,
    pub(crate) level: Level,
    pub(crate) service: &'a str,
    pub(crate) target: &'a str,
    /// The innermost span's name.
    pub(crate) span: Option<&'a str>,
    pub(crate) trace_id: Option<String>,
    pub(crate) ids: Fields,
    /// The event's own fields; `message` among them.
    pub(crate) fields: Fields,
}

impl LogLine<'_> {
    /// The line with its line feed, in one piece so that lines of two threads don't mix.
    pub(crate) fn render(self, format: LogFormat) -> String {
        match format {
            LogFormat::Json => self.json(),
            LogFormat::Text => self.text(),
        }
    }

    fn json(self) -> String {
        let mut object = Map::new();
        // What an event calls its fields must not hide what every line has, so those come last.
        object.extend(self.fields.0);
        object.extend(self.ids.0);
        object.insert("time".to_owned(), self.time.into());
        object.insert("level".to_owned(), self.level.as_str().to_lowercase().into());
        object.insert("service".to_owned(), self.service.into());
        object.insert("target".to_owned(), self.target.into());
        if let Some(span) = self.span {
            object.insert("span".to_owned(), span.into());
        }
        if let Some(trace_id) = self.trace_id {
            object.insert("trace_id".to_owned(), trace_id.into());
        }
        let mut line = Value::Object(object).to_string();
        line.push('\n');
        line
    }

    fn text(self) -> String {
        let mut line = format!("{} {:>5} {}", self.time, self.level.as_str(), self.target);
        if let Some(span) = self.span {
            let _ = write!(line, " [{span}]");
        }
        let (message, others): (Vec<_>, Vec<_>) = self.fields.0.into_iter().partition(|(name, _)| name == "message");
        for (_, message) in message {
            line.push(' ');
            push_text(&mut line, &message);
        }
        let trace_id = self.trace_id.map(|id| ("trace_id".to_owned(), Value::String(id)));
        for (name, value) in others.into_iter().chain(self.ids.0).chain(trace_id) {
            let _ = write!(line, " {name}=");
            push_text(&mut line, &value);
        }
        line.push('\n');
        line
    }
}

/// `value` on one line, with control characters made visible: what comes from outside can't forge a line or steer a terminal.
fn push_text(line: &mut String, value: &Value) {
    match value {
        Value::String(text) => {
            for character in text.chars() {
                if character.is_control() { line.extend(character.escape_default()) } else { line.push(character) }
            }
        }
        other => {
            let _ = write!(line, "{other}");
        }
    }
}
