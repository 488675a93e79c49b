use serde_json::{Value, json};

use crate::Error;

/// What ties messages to each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Thread {
    /// Aether keeps the conversation: this is its id, once there is one.
    Kept(Option<String>),
    /// Nobody keeps it, so each request carries what was said before.
    Carried(Vec<Value>),
}

impl Thread {
    pub fn begin(conversation: &str, off_the_record: bool) -> Result<Self, Error> {
        match (conversation, off_the_record) {
            ("new", true) => Ok(Self::Carried(Vec::new())),
            ("new", false) => Ok(Self::Kept(None)),
            (_, true) => Err(Error::Input(
                "--off-the-record keeps nothing, so it can't continue a conversation that is kept: leave out \
                 --conversation"
                    .to_owned(),
            )),
            (id, false) if looks_like_an_id(id) => Ok(Self::Kept(Some(id.to_owned()))),
            (id, false) => Err(Error::Input(format!(
                "--conversation: {id:?} is no conversation id: `aether session list` shows them, and `new` begins one"
            ))),
        }
    }

    /// The messages of the next request.
    pub fn messages(&self, text: &str) -> Vec<Value> {
        let mut messages = match self {
            Self::Kept(_) => Vec::new(),
            Self::Carried(messages) => messages.clone(),
        };
        messages.push(json!({ "role": "user", "content": text }));
        messages
    }

    /// What `X-Conversation-Id` says.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Kept(id) => Some(id.as_deref().unwrap_or("new")),
            Self::Carried(_) => None,
        }
    }

    pub fn is_off_the_record(&self) -> bool {
        matches!(self, Self::Carried(_))
    }

    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Kept(id) => id.as_deref(),
            Self::Carried(_) => None,
        }
    }

    /// Goes on after an answer, whole or not.
    pub fn went_on(&mut self, conversation: Option<String>, text: &str, answer: &str) {
        match self {
            Self::Kept(id) => *id = conversation.or_else(|| id.take()),
            Self::Carried(messages) => {
                messages.push(json!({ "role": "user", "content": text }));
                if !answer.is_empty() {
                    messages.push(json!({ "role": "assistant", "content": answer }));
                }
            }
        }
    }

    /// The same kind of thread, from the start.
    pub fn anew(&self) -> Self {
        match self {
            Self::Kept(_) => Self::Kept(None),
            Self::Carried(_) => Self::Carried(Vec::new()),
        }
    }
}

/// As UUIDs are written.
fn looks_like_an_id(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|sign| sign == '-' || sign.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0193c5d4-7b1e-7c3a-9f00-0a1b2c3d4e5f";

    #[test]
    fn a_kept_conversation_sends_only_what_is_new_and_its_id() {
        let mut thread = Thread::begin("new", false).unwrap();
        assert_eq!((thread.header(), thread.id()), (Some("new"), None));
        thread.went_on(Some(ID.to_owned()), "Hello.", "Hi.");
        assert_eq!(thread.header(), Some(ID));
        assert_eq!(thread.messages("And?").len(), 1);
        thread.went_on(None, "And?", "");
        assert_eq!(thread.header(), Some(ID));
        assert_eq!(thread.anew().header(), Some("new"));
    }

    #[test]
    fn off_the_record_each_request_carries_what_was_said() {
        let mut thread = Thread::begin("new", true).unwrap();
        thread.went_on(None, "My name is Ada.", "Hello, Ada!");
        let messages = thread.messages("Who am I?");
        assert_eq!(messages.len(), 3);
        assert_eq!(messages[1]["content"], "Hello, Ada!");
        assert_eq!(thread.header(), None);
        assert_eq!(thread.anew().messages("Hello.").len(), 1);
    }

    #[test]
    fn what_can_not_be_continued_is_named() {
        assert!(Thread::begin(ID, false).is_ok());
        assert!(Thread::begin("yesterday", false).unwrap_err().to_string().contains("aether session list"));
        assert!(Thread::begin(ID, true).unwrap_err().to_string().contains("--conversation"));
    }
}
