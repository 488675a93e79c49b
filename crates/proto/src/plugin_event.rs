//! What an event may hold. Whoever lets one in from outside checks it, and so does whoever takes it off the bus.

use crate::PluginEvent;

/// By so much two clocks may differ.
const AHEAD_MS: i64 = 5 * 60 * 1000;
/// Year 2200: later is a mistake in the unit.
const LATEST_UNIX_MS: i64 = 7_258_118_400_000;

impl PluginEvent {
    /// All lengths are in bytes.
    pub const LONGEST_ID: usize = 256;
    pub const LONGEST_NAME: usize = 64;
    pub const LONGEST_TITLE: usize = 512;
    pub const LONGEST_TEXT: usize = 4096;
    pub const LONGEST_URL: usize = 2048;

    /// The error names the field and what is wrong with it, for whoever sent the event.
    pub fn check(&self, now_unix_ms: i64) -> Result<(), String> {
        name("event_id", &self.event_id, Self::LONGEST_ID)?;
        name("source", &self.source, Self::LONGEST_NAME)?;
        name("kind", &self.kind, Self::LONGEST_NAME)?;
        if self.title.trim().is_empty() {
            return Err("`title` is empty: say in one line what happened".to_owned());
        }
        length("title", &self.title, Self::LONGEST_TITLE)?;
        length("text", &self.text, Self::LONGEST_TEXT)?;
        length("url", &self.url, Self::LONGEST_URL)?;
        let is_web = self.url.starts_with("https://") || self.url.starts_with("http://");
        let is_plain = !self.url.chars().any(|character| character.is_control() || character.is_whitespace());
        if !(self.url.is_empty() || is_web && is_plain) {
            return Err("`url` must begin with http:// or https:// and hold no white space".to_owned());
        }
        if self.occurred_unix_ms > now_unix_ms.saturating_add(AHEAD_MS) {
            return Err("the time at which it occurred lies in the future".to_owned());
        }
        if !(0..=LATEST_UNIX_MS).contains(&self.expires_unix_ms) {
            return Err("the time at which it expires is none in this or the next century".to_owned());
        }
        Ok(())
    }
}

fn name(field: &str, text: &str, longest: usize) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("`{field}` is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("`{field}` holds a control character"));
    }
    length(field, text, longest)
}

fn length(field: &str, text: &str, longest: usize) -> Result<(), String> {
    match text.len() {
        length if length > longest => Err(format!("`{field}` has {length} bytes, the limit is {longest}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_can_not_be_is_said_precisely() {
        let event = || PluginEvent {
            event_id: "42".to_owned(),
            source: "builds".to_owned(),
            kind: "build.failed".to_owned(),
            title: "The build failed".to_owned(),
            url: "https://builds.example/42".to_owned(),
            occurred_unix_ms: 1_000_000,
            ..PluginEvent::default()
        };
        assert_eq!(event().check(1_000_000), Ok(()));
        assert_eq!(event().check(1_000_000 - AHEAD_MS), Ok(()), "two clocks may differ by so much");
        for (wrong, said) in [
            (PluginEvent { event_id: String::new(), ..event() }, "`event_id` is empty"),
            (PluginEvent { source: "x".repeat(65), ..event() }, "`source` has 65 bytes, the limit is 64"),
            (PluginEvent { kind: "a\nb".to_owned(), ..event() }, "`kind` holds a control character"),
            (PluginEvent { title: " \n ".to_owned(), ..event() }, "`title` is empty"),
            (PluginEvent { title: "x".repeat(513), ..event() }, "`title` has 513 bytes"),
            (PluginEvent { text: "x".repeat(5000), ..event() }, "`text` has 5000 bytes"),
            (PluginEvent { url: "javascript:alert(1)".to_owned(), ..event() }, "`url` must begin"),
            (PluginEvent { url: "https://a b".to_owned(), ..event() }, "`url` must begin"),
            (PluginEvent { occurred_unix_ms: 1_000_001 + AHEAD_MS, ..event() }, "future"),
            (PluginEvent { expires_unix_ms: i64::MAX, ..event() }, "expires"),
            (PluginEvent { expires_unix_ms: -1, ..event() }, "expires"),
        ] {
            let error = wrong.check(1_000_000).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
