//! What the agent says when somebody comes, and when it comes back itself.

use std::collections::BTreeSet;

use aether_proto::PersonId;
use aether_voice::media::Participant;
use aether_voice::session::Guest;

const OFFER: &str = "How can I help you?";
/// Said where an agent takes over a room that has lost its own: with what was being answered still to come, and without.
pub(crate) const RETURN_TO_ANSWER: &str = "Sorry, I was away for a moment.";
pub(crate) const RETURN: &str = "Sorry, I was away for a moment. I'm back.";
/// A longer name is not one to be called by.
const LONGEST_NAME: usize = 40;
/// With more it is a number: LiveKit calls a telephone "Phone +4930123456".
const MOST_DIGITS: usize = 4;

/// Greets each person once in a session, however often they connect.
#[derive(Debug, Default)]
pub(crate) struct Greeter {
    greeted: BTreeSet<PersonId>,
}

impl Greeter {
    /// With those who were greeted by the agent before.
    pub(crate) fn new(greeted: impl IntoIterator<Item = PersonId>) -> Self {
        Self { greeted: greeted.into_iter().collect() }
    }

    /// Takes a person for greeted.
    pub(crate) fn knows(&mut self, person: PersonId) {
        self.greeted.insert(person);
    }

    /// What to say to somebody who has come; `None` to those who were here before.
    pub(crate) fn welcome(&mut self, guest: &Guest) -> Option<String> {
        let is_first = self.greeted.is_empty();
        if !self.greeted.insert(guest.person.clone()) {
            return None;
        }
        let hello = match name(&guest.participant) {
            Some(name) => format!("Hello, {name}!"),
            None => "Hello!".to_owned(),
        };
        Some(if is_first { format!("{hello} {OFFER}") } else { hello })
    }

    pub(crate) fn greeted(&self) -> Vec<String> {
        self.greeted.iter().map(ToString::to_string).collect()
    }
}

/// What to call somebody by, if they gave a name that can be said.
fn name(participant: &Participant) -> Option<&str> {
    let name = participant.name.trim();
    let can_be_said = name.chars().any(char::is_alphabetic)
        && name.chars().count() <= LONGEST_NAME
        && name.chars().filter(|character| character.is_numeric()).count() <= MOST_DIGITS
        && !name.chars().any(char::is_control)
        && !name.contains("://");
    (name != participant.identity && can_be_said).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(person: &str, identity: &str, name: &str) -> Guest {
        let participant = Participant { identity: identity.to_owned(), name: name.to_owned() };
        Guest { participant, person: PersonId::new(person).unwrap() }
    }

    #[test]
    fn each_person_is_greeted_once_and_by_name() {
        let mut greeter = Greeter::default();
        let table = [
            (guest("ada", "ada-1", "Ada"), Some("Hello, Ada! How can I help you?")),
            (guest("ada", "ada-2", "Ada"), None),
            (guest("ben", "ben-1", " Ben "), Some("Hello, Ben!")),
            (guest("cleo", "cleo-1", "cleo-1"), Some("Hello!")),
            (guest("dan", "dan-1", ""), Some("Hello!")),
            (guest("eve", "eve-1", "🦄"), Some("Hello!")),
            (guest("sip_+4930123456", "sip_+4930123456", "Phone +4930123456"), Some("Hello!")),
            (guest("r2", "r2", "Agent 2000"), Some("Hello, Agent 2000!")),
            (guest("fay", "fay-1", &"Fay".repeat(50)), Some("Hello!")),
            (guest("ben", "ben-1", "Ben"), None),
        ];
        for (guest, expected) in table {
            assert_eq!(greeter.welcome(&guest).as_deref(), expected, "{guest:?}");
        }
    }

    #[test]
    fn who_was_greeted_by_the_agent_before_is_not_greeted_again() {
        let mut greeter = Greeter::new([PersonId::new("ada").unwrap()]);
        assert_eq!(greeter.welcome(&guest("ada", "ada-1", "Ada")), None);
        assert_eq!(greeter.welcome(&guest("ben", "ben-1", "Ben")).as_deref(), Some("Hello, Ben!"));
        assert_eq!(greeter.greeted(), ["ada", "ben"]);
    }
}
