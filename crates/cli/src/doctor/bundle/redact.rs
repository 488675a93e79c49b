//! What may leave the machine. Pure.

use serde_json::{Map, Value};

const HIDDEN: &str = "***";
/// Stands for what is left out because it may be somebody's words.
const LEFT_OUT: &str = "…";
/// Replacing shorter ones would ruin the text around them, and guessing them takes no archive.
const SHORTEST_SECRET: usize = 4;
/// A value without blanks that is longer is no id, no number and no path.
const LONGEST_WORD: usize = 160;
const LONGEST_REASON: usize = 300;
/// Fields that say why something failed; what they quote is left out.
const REASONS: [&str; 10] =
    ["detail", "error", "err", "reason", "why", "cause", "message", "msg", "stage", "description"];
/// Fields that hold what somebody said, wrote or is called, whatever they look like.
const WORDS: [&str; 24] = [
    "text",
    "texts",
    "words",
    "transcript",
    "heard",
    "said",
    "answer",
    "question",
    "prompt",
    "content",
    "title",
    "body",
    "query",
    "sentence",
    "phrase",
    "summary",
    "fact",
    "memory",
    "utterance",
    "caption",
    "name",
    "participantName",
    "topic",
    "arguments",
];
/// Lines of servers that quote statements, requests or values.
const QUOTING: [&str; 12] = [
    "STATEMENT:",
    "DETAIL:",
    "CONTEXT:",
    "QUERY:",
    "prompt:",
    "prompt =",
    "content:",
    "text:",
    "transcript",
    "said:",
    "message:",
    "messages:",
];
/// What a key or token of Aether and its neighbours begins with.
const TOKENS: [&str; 7] = ["access_token=", "token=", "Bearer", "aether_", "whsec_", "eyJ", "sk-"];

/// Knows this installation's secrets.
#[derive(Debug)]
pub struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<_> = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET).collect();
        // One that holds another goes first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets }
    }

    /// Without known secrets, passwords in URLs, keys and tokens.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), HIDDEN);
        }
        without_tokens(&without_passwords(&text))
    }

    pub fn json(&self, value: &Value) -> String {
        let text = serde_json::to_string_pretty(&self.strings(value)).unwrap_or_default();
        format!("{text}\n")
    }

    fn strings(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => Value::Array(values.iter().map(|value| self.strings(value)).collect()),
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), self.strings(value))).collect(),
            other => other.clone(),
        }
    }

    /// A log, without lines that are none and without words.
    pub fn log(&self, log: &str) -> String {
        let (mut kept, mut left_out) = (String::new(), 0_u32);
        for line in log.lines() {
            match log_line(&plain(line)) {
                Some(line) => {
                    kept.push_str(&self.text(&line));
                    kept.push('\n');
                }
                None => left_out += 1,
            }
        }
        kept.push_str(&format!("({left_out} lines are left out: debug output, or not shaped as lines of a log)\n"));
        kept
    }
}

/// The values of a report that are names, numbers or reasons.
pub fn values(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), health_value(name, value))).collect())
        }
        other => other.clone(),
    }
}

/// A part of a health report is called by its name, which is nobody's.
fn health_value(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if name == "name" => Value::String(text.clone()),
        Value::String(text) => Value::String(field_value(name, text)),
        Value::Array(all) => Value::Array(
            all.iter().map(|one| if one.is_object() { values(one) } else { health_value("detail", one) }).collect(),
        ),
        Value::Object(_) => values(value),
        other => other.clone(),
    }
}

/// `None` for what may be anything.
fn log_line(line: &str) -> Option<String> {
    if let Ok(Value::Object(fields)) = serde_json::from_str(line) {
        return json_line(fields);
    }
    let is_shaped = line.starts_with(|first: char| first.is_ascii_digit() || first == '[')
        || line.starts_with("thread '")
        || ["INFO", "WARN", "ERROR"].iter().any(|level| line.starts_with(level));
    if !is_shaped || QUOTING.iter().any(|word| line.contains(word)) {
        return None;
    }
    let mut words = line.split_whitespace().skip(1);
    if words.next().is_some_and(|level| matches!(level, "DEBUG" | "TRACE")) || line.contains("\tDEBUG\t") {
        return None;
    }
    // LiveKit ends its lines with an object.
    if let Some((head, json)) = line.split_once("\t{")
        && let Ok(Value::Object(fields)) = serde_json::from_str(&format!("{{{json}"))
    {
        return Some(format!("{}\t{}", without_quotes(head), Value::Object(kept_fields(fields))));
    }
    Some(fields_of_text(line))
}

/// A line of `AETHER_LOG_FORMAT=json`.
fn json_line(fields: Map<String, Value>) -> Option<String> {
    let level = fields.get("level").and_then(Value::as_str).unwrap_or("INFO");
    if matches!(level, "DEBUG" | "TRACE" | "debug" | "trace") {
        return None;
    }
    Some(Value::Object(kept_fields(fields)).to_string())
}

fn kept_fields(fields: Map<String, Value>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.clone(), kept_value(&name, value))).collect()
}

fn kept_value(name: &str, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(field_value(name, &text)),
        Value::Array(values) => Value::Array(values.into_iter().map(|value| kept_value(name, value)).collect()),
        // Spans have names of their own, which are in the program.
        Value::Object(mut fields) if name == "span" || name == "spans" => {
            let own = fields.remove("name");
            let mut fields = kept_fields(fields);
            fields.extend(own.map(|own| ("name".to_owned(), own)));
            Value::Object(fields)
        }
        Value::Object(fields) => Value::Object(kept_fields(fields)),
        other => other,
    }
}

/// What is kept of a field's text.
fn field_value(name: &str, text: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    if WORDS.contains(&last) && text.parse::<f64>().is_err() {
        return LEFT_OUT.to_owned();
    }
    if is_word(text) {
        return text.to_owned();
    }
    if REASONS.contains(&last) {
        return without_quotes(text).chars().take(LONGEST_REASON).collect();
    }
    // A time is two words.
    if text.chars().all(|character| character.is_ascii_digit() || " -:.+TZ".contains(character)) {
        return text.to_owned();
    }
    LEFT_OUT.to_owned()
}

fn is_word(text: &str) -> bool {
    text.len() <= LONGEST_WORD
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "-_.:/@~%+*[]µ=,".contains(character))
}

/// `time LEVEL target [span] message name=value name="value"`: the message as it is, each field as its name allows.
fn fields_of_text(line: &str) -> String {
    let starts = field_starts(line);
    let Some(first) = starts.first() else { return without_quotes(line) };
    let mut kept = without_quotes(line.get(..*first).unwrap_or_default());
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(line.len());
        let field = line.get(*start..end).unwrap_or_default();
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let (value, is_quoted) = (value.trim(), value.trim_start().starts_with('"'));
        let value = if is_quoted { value.trim_matches('"') } else { value };
        kept.push_str(&format!("{name}={} ", field_value(name.trim(), value)));
    }
    kept.trim_end().to_owned()
}

/// Where a blank is followed by a name and `=`, outside quotes.
fn field_starts(line: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let (mut is_quoted, mut is_escaped, mut after_blank) = (false, false, None);
    for (at, character) in line.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            ' ' => after_blank = Some(at + 1),
            '=' => starts.extend(after_blank.take().filter(|start| *start < at)),
            letter if letter.is_ascii_alphanumeric() || "_.".contains(letter) => {}
            _ => after_blank = None,
        }
    }
    starts
}

/// Whatever stands between quotes may be somebody's words. A quote that is never closed takes the rest with it.
fn without_quotes(text: &str) -> String {
    let mut kept = String::new();
    let mut open = None;
    let mut before = ' ';
    for character in text.chars() {
        match open {
            Some(quote) if character == quote => {
                open = None;
                kept.push(character);
            }
            Some(_) => {}
            None if matches!(character, '"' | '`') || character == '\'' && !before.is_alphanumeric() => {
                open = Some(character);
                kept.push(character);
                kept.push_str(LEFT_OUT);
            }
            None => kept.push(character),
        }
        before = character;
    }
    kept
}

/// `scheme://user:***@host`.
fn without_passwords(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        kept.push_str(before);
        kept.push_str("://");
        let end = after
            .find(|character: char| character.is_whitespace() || "\"'<>`,".contains(character))
            .unwrap_or(after.len());
        let (address, after) = after.split_at(end);
        match address.rsplit_once('@') {
            Some((user, place)) => {
                kept.push_str(user.split(':').next().unwrap_or_default());
                kept.push_str(&format!(":{HIDDEN}@{place}"));
            }
            None => kept.push_str(address),
        }
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// Whatever follows the beginning of a token, up to the word's end.
fn without_tokens(text: &str) -> String {
    let mut kept = text.to_owned();
    for token in TOKENS {
        let mut from = 0;
        while let Some(at) = kept.get(from..).and_then(|rest| rest.find(token)).map(|at| at + from) {
            let start = at + token.len();
            let rest = &kept[start..];
            let blanks = rest.len() - rest.trim_start_matches(' ').len();
            let skipped = if token == "Bearer" { blanks } else { 0 };
            let is_secret = |character: char| character.is_ascii_alphanumeric() || "-_.+/=~".contains(character);
            let length = rest[skipped..].find(|character| !is_secret(character)).unwrap_or(rest.len() - skipped);
            let before = kept[..at].chars().next_back();
            let is_begun = before.is_none_or(|before| !before.is_alphanumeric());
            // The names of our own modules begin as our keys do, and are not as long.
            if is_begun
                && length >= 16
                && rest[skipped..skipped + length]
                    .chars()
                    .any(|character| character.is_ascii_digit() || character.is_ascii_uppercase())
            {
                kept.replace_range(start + skipped..start + skipped + length, HIDDEN);
            }
            from = start;
        }
    }
    kept
}

/// Without what moves a terminal's cursor.
fn plain(line: &str) -> String {
    line.chars().filter(|character| *character == '\t' || !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_keep_their_shape_and_lose_words() {
        for (line, expected) in [
            (
                "2026-11-29T22:44:13Z  INFO aether_brain::turn [turn] turn opened words=5 tenant=default trace_id=08f5",
                Some(
                    "2026-11-29T22:44:13Z  INFO aether_brain::turn [turn] turn opened words=5 tenant=default trace_id=08f5",
                ),
            ),
            (
                "2026-11-29T22:44:13Z  WARN aether_x: it failed error=no file \"my diary\" there text=\"my cat is ill\" ms=3",
                Some("2026-11-29T22:44:13Z  WARN aether_x: it failed error=no file \"…\" there text=… ms=3"),
            ),
            (
                "2026-11-29T22:44:13Z  INFO aether_x: heard heard=cats",
                Some("2026-11-29T22:44:13Z  INFO aether_x: heard heard=…"),
            ),
            ("2026-11-29T22:44:13Z DEBUG aether_x: my cat is ill", None),
            ("my cat is ill", None),
            ("\tSELECT 'my cat is ill'", None),
            ("2026-11-29 23:58:24.431 UTC [28353] DETAIL:  Key (text)=(my cat is ill) exists.", None),
            (
                "2026-11-29 23:58:24.431 UTC [28353] ERROR:  bad value: \"my cat is ill\"",
                Some("2026-11-29 23:58:24.431 UTC [28353] ERROR:  bad value: \"…\""),
            ),
            (
                "2026-11-29T23:58:36.386Z\tINFO\tlivekit.api\tservice/twirp.go:149\tAPI\t{\"method\":\"ListRooms\",\"note\":\"my cat is ill\"}",
                Some(
                    "2026-11-29T23:58:36.386Z\tINFO\tlivekit.api\tservice/twirp.go:149\tAPI\t{\"method\":\"ListRooms\",\"note\":\"…\"}",
                ),
            ),
            (
                r#"{"timestamp":"2026-11-29T23:58:36Z","level":"INFO","fields":{"message":"said \"my cat is ill\"","said":"cats","ms":4},"span":{"name":"turn"}}"#,
                Some(
                    r#"{"fields":{"message":"said \"…\"","ms":4,"said":"…"},"level":"INFO","span":{"name":"turn"},"timestamp":"2026-11-29T23:58:36Z"}"#,
                ),
            ),
            (r#"{"level":"DEBUG","fields":{"message":"my cat is ill"}}"#, None),
        ] {
            assert_eq!(log_line(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn secrets_go_wherever_they_stand() {
        let redactor = Redactor::new(["hunter2hunter2".to_owned(), "abc".to_owned()]);
        for (text, expected) in [
            ("the password hunter2hunter2 was wrong", "the password *** was wrong"),
            ("abc is too short to be one", "abc is too short to be one"),
            ("postgres://ada:other@db:5432/x, again", "postgres://ada:***@db:5432/x, again"),
            ("nats://t0ken@bus", "nats://t0ken:***@bus"),
            ("Authorization: Bearer AbCdEfGhIjKlMnOp1", "Authorization: Bearer ***"),
            ("/rtc?access_token=eyJhbGciOiJIUzI1NiJ9.eyJ4IjoxfQ.c2ln&protocol=15", "/rtc?access_token=***&protocol=15"),
            ("key aether_OFywqQmtK34D_0123456789", "key aether_***"),
            ("aether_gateway::reconciler::vigil", "aether_gateway::reconciler::vigil"),
        ] {
            assert_eq!(redactor.text(text), expected, "{text}");
        }
    }

    #[test]
    fn a_health_report_keeps_its_parts() {
        let health = serde_json::json!({
            "ready": false, "waiting_for": ["end of turn"],
            "parts": [{ "name": "end of turn", "detail": "no model \"x y\"", "note": "some words here" }],
        });
        let expected = serde_json::json!({
            "ready": false, "waiting_for": ["end of turn"],
            "parts": [{ "name": "end of turn", "detail": "no model \"…\"", "note": "…" }],
        });
        assert_eq!(values(&health), expected);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic_and_no_secret_survives(text: String, before in "[ -~]{0,40}") {
            let redactor = Redactor::new(["correct horse battery".to_owned()]);
            let line = format!("2026-01-01T00:00:00Z  INFO {before}{text} correct horse battery \u{e9}={text}");
            proptest::prop_assert!(!redactor.log(&line).contains("horse"));
            proptest::prop_assert!(!redactor.text(&line).contains("horse"));
        }
    }
}
