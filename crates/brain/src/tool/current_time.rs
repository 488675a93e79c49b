//! What time it is, here.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Zoned;
use serde_json::{Value, json};

use super::{Outcome, Surroundings, Tool};
use crate::jobs::now;

pub struct CurrentTime;

impl Tool for CurrentTime {
    fn name(&self) -> &'static str {
        "current_time"
    }

    fn description(&self) -> &'static str {
        "The current local date and time."
    }

    fn parameters(&self) -> Value {
        json!({ "type": "object", "properties": {} })
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            "What time is it?",
            "What's the time now?",
            "Can you tell me the time?",
            "How late is it?",
            "What day is it today?",
            "What is today's date?",
            "What's the date?",
            "Which weekday is today?",
            "What month is it?",
            "What year is it?",
            "What date is tomorrow?",
            "Is it morning or evening right now?",
        ]
    }

    fn counterexamples(&self) -> &'static [&'static str] {
        &[
            "What time does the sun rise in summer?",
            "How long does it take to boil an egg?",
            "When was the clock invented?",
            "What time is dinner?",
            "How many days are in a week?",
            "When is Christmas?",
            "What is your favourite day of the week?",
            "Have a nice day!",
            "Good morning!",
            "It has been a long time.",
            "What happened today in history?",
            "When did the war end?",
        ]
    }

    fn apology(&self) -> &'static str {
        "Sorry, I can't see the clock right now."
    }

    fn needs_person(&self) -> bool {
        false
    }

    fn arguments_for(&self, _words: &str) -> Option<Value> {
        Some(json!({}))
    }

    fn run<'a>(&'a self, _around: Surroundings<'a>, _arguments: &'a Value) -> BoxFuture<'a, Outcome> {
        let now = now();
        let text = sentence(&now);
        let summary = now.strftime("%A, %-d %B %Y, %H:%M (UTC%:z)").to_string();
        async move { Outcome::found(text, summary) }.boxed()
    }
}

/// As a small model can repeat it.
fn sentence(now: &Zoned) -> String {
    now.strftime("It is %A, %-d %B %Y, %-I:%M %p. The offset from UTC is %:z.").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_said_as_people_say_it() {
        let at = |text: &str| sentence(&text.parse::<Zoned>().unwrap());
        assert_eq!(
            at("2026-11-21T08:05:30+01:00[Europe/Berlin]"),
            "It is Saturday, 21 November 2026, 8:05 AM. The offset from UTC is +01:00."
        );
        assert_eq!(
            at("2026-07-01T20:15:00+00:00[UTC]"),
            "It is Wednesday, 1 July 2026, 8:15 PM. The offset from UTC is +00:00."
        );
    }
}
