//! An event from outside, read: of what it says, what can be shown and spoken.

use aether_proto::{PersonId, PluginEvent, Urgency};
use jiff::Timestamp;

/// Something that a person may want to know.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub id: String,
    pub source: String,
    pub kind: String,
    pub person: PersonId,
    /// One line.
    pub title: String,
    pub text: String,
    pub url: String,
    pub urgency: Urgency,
    pub expires_at: Option<Timestamp>,
}

impl Event {
    pub fn read(event: PluginEvent, now: Timestamp) -> Result<Self, String> {
        event.check(now.as_millisecond())?;
        let urgency = event.urgency();
        let PluginEvent { event_id: id, source, kind, person_id, title, text, url, expires_unix_ms, .. } = event;
        let person = PersonId::new(person_id).map_err(|error| format!("`person_id`: {error}"))?;
        let (title, text) = (one_line(&title), printable(&text));
        if title.is_empty() {
            return Err("`title` holds nothing that can be shown".to_owned());
        }
        let expires_at = (expires_unix_ms > 0).then(|| Timestamp::from_millisecond(expires_unix_ms).ok()).flatten();
        Ok(Self { id, source, kind, person, title, text, url, urgency, expires_at })
    }
}

/// White space and control characters are one space each time.
pub(crate) fn one_line(text: &str) -> String {
    text.split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn printable(text: &str) -> String {
    text.trim().chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event() -> PluginEvent {
        PluginEvent {
            event_id: "42".to_owned(),
            source: "builds".to_owned(),
            kind: "build.failed".to_owned(),
            person_id: "ada".to_owned(),
            title: "The build\r\nfailed\u{1b}[31m".to_owned(),
            text: "In step 3.\0\nSee there.".to_owned(),
            ..PluginEvent::default()
        }
    }

    #[test]
    fn what_can_be_shown_is_kept() {
        let read = Event::read(event(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(read.title, "The build failed [31m");
        assert_eq!(read.text, "In step 3.\nSee there.");
        for wrong in [
            PluginEvent { person_id: String::new(), ..event() },
            PluginEvent { title: "\u{1b}\0".to_owned(), ..event() },
        ] {
            assert!(Event::read(wrong, Timestamp::UNIX_EPOCH).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_event_is_kept_as_it_can_be_shown_or_refused(
            title in "\\PC{0,80}|.{0,300}", text in ".{0,300}", url in ".{0,60}", at in any::<i64>(),
        ) {
            let event = PluginEvent { title, text, url, occurred_unix_ms: at, expires_unix_ms: at, ..event() };
            if let Ok(read) = Event::read(event, Timestamp::UNIX_EPOCH) {
                prop_assert!(!read.title.is_empty() && read.title.len() <= PluginEvent::LONGEST_TITLE);
                let is_shown = |text: &str| !text.contains(['\0', '\u{1b}']);
                prop_assert!(is_shown(&read.title) && is_shown(&read.text) && !read.title.contains('\n'));
                prop_assert!(read.url.is_empty() || read.url.starts_with("http"));
            }
        }
    }
}
