//! What the model is shown, and in which order.
//!
//! Servers keep the beginning of the last prompts cached, so what changes least comes first: the persona, the history (to
//! which turns are only added), then what was recalled for this turn, last the person's words. The words may still be
//! growing: a prompt with fewer of them is a beginning of the one with all.

use aether_llm::Message;
use aether_store::Exchange;

/// Who speaks, and how. Short, because small models follow short orders.
pub const PERSONA: &str = "\
You are Aether, a friendly voice assistant. You are talking with a person, and your words are spoken aloud.
Answer in one or two short sentences of plain text, without lists, markdown or emoji.
You remember what the person told you in earlier conversations, and you use it when it helps.";

/// What a memory block ends with: small models otherwise recite it.
const MEMORY_ORDER: &str =
    "This is what you remember. Use it where it helps to answer the person, and address them as \"you\".";

/// The parts of one prompt.
#[derive(Debug, Clone, Copy)]
pub struct Prompt<'a> {
    pub persona: &'a str,
    /// Oldest first; as much of it as fits.
    pub history: &'a [Exchange],
    /// Lines of what came to mind, if anything did.
    pub memories: Option<&'a str>,
    /// What the person said, or has said so far.
    pub words: &'a str,
}

impl Prompt<'_> {
    pub fn messages(&self) -> Vec<Message> {
        let mut messages = vec![Message::system(self.persona)];
        for exchange in self.history {
            if !exchange.words.is_empty() {
                messages.push(Message::user(&exchange.words));
            }
            if !exchange.heard.is_empty() {
                messages.push(Message::assistant(&exchange.heard));
            }
        }
        if let Some(memories) = self.memories {
            messages.push(Message::system(format!("{memories}\n{MEMORY_ORDER}")));
        }
        messages.push(Message::user(self.words));
        messages
    }
}

#[cfg(test)]
mod tests {
    use aether_llm::Role;
    use aether_proto::TurnId;
    use aether_store::TurnStatus;
    use time::OffsetDateTime;

    use super::*;

    fn exchange(words: &str, heard: &str) -> Exchange {
        Exchange {
            turn: TurnId::generate(),
            person_id: "ada".into(),
            person_name: "Ada".into(),
            words: words.into(),
            heard: heard.into(),
            status: TurnStatus::Completed,
            started_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_changes_least_comes_first() {
        let history = [exchange("", "Hello!"), exchange("Hi, Aether.", "Hi."), exchange("Never mind", "")];
        let prompt = Prompt {
            persona: "You are Aether.",
            history: &history,
            memories: Some("- On 1970-01-01 Ada said: \"My name is Ada.\""),
            words: "What is my name?",
        };
        let messages = prompt.messages();
        let shown: Vec<_> = messages.iter().map(|message| (message.role, message.content.as_str())).collect();
        let memories = format!("- On 1970-01-01 Ada said: \"My name is Ada.\"\n{MEMORY_ORDER}");
        assert_eq!(
            shown,
            [
                (Role::System, "You are Aether."),
                (Role::Assistant, "Hello!"),
                (Role::User, "Hi, Aether."),
                (Role::Assistant, "Hi."),
                (Role::User, "Never mind"),
                (Role::System, memories.as_str()),
                (Role::User, "What is my name?"),
            ]
        );
    }

    #[test]
    fn the_next_prompt_begins_with_this_one_up_to_what_was_recalled() {
        let mut history = vec![exchange("One.", "Two.")];
        let first = Prompt { persona: "P", history: &history, memories: None, words: "Three." }.messages();
        history.push(exchange("Three.", "Four."));
        let second = Prompt { persona: "P", history: &history, memories: Some("m"), words: "Five." }.messages();
        assert_eq!(first, second[..first.len()]);
    }

    #[test]
    fn growing_words_only_change_the_last_message() {
        let messages = |words| Prompt { persona: "P", history: &[], memories: Some("m"), words }.messages();
        let (early, late) = (messages("What is"), messages("What is my name?"));
        assert_eq!(early[..2], late[..2]);
        assert!(late[2].content.starts_with(&early[2].content));
    }
}
