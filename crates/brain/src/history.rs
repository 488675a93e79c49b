//! What of the conversation a prompt shows. Pure.

use aether_proto::TurnId;
use aether_store::{Exchange, TurnStatus};

/// So many turns are asked of the store: more than a window ever shows, so that its beginning stays in sight.
pub const MAX_STORED: u32 = 64;
const MAX_SHOWN: usize = 48;

/// The conversation so far, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    pub exchanges: Vec<Exchange>,
    /// Some of it is what was generated: what of that was heard is not known yet.
    pub provisional: bool,
}

/// The rows of a session and what this process still knows of its last turns, whose rows may not be written yet. A row whose
/// turn has ended says what was really heard, so it wins.
pub fn merge(stored: Vec<Exchange>, recent: &[Exchange], current: TurnId) -> History {
    let mut history = History { exchanges: stored, provisional: false };
    for exchange in recent.iter().filter(|exchange| exchange.turn != current) {
        match history.exchanges.iter_mut().find(|row| row.turn == exchange.turn) {
            Some(row) if row.status != TurnStatus::Open => {}
            Some(row) => {
                // The row knows when the person began; the order of turns must not change when it appears.
                let started_at = row.started_at;
                *row = Exchange { started_at, ..exchange.clone() };
                history.provisional = true;
            }
            None => {
                history.exchanges.push(exchange.clone());
                history.provisional = true;
            }
        }
    }
    history.exchanges.retain(|exchange| exchange.turn != current);
    history.exchanges.sort_by_key(|exchange| (exchange.started_at, exchange.turn));
    history
}

/// Where a session's prompts begin. It moves rarely and far, because with every move the server reads the whole prompt again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    first: Option<TurnId>,
}

impl Window {
    /// The part of `exchanges` to show in at most `budget` bytes.
    pub fn show<'a>(&mut self, exchanges: &'a [Exchange], budget: usize) -> &'a [Exchange] {
        let begin = self.first.and_then(|first| exchanges.iter().position(|exchange| exchange.turn == first));
        let mut shown = exchanges.get(begin.unwrap_or(0)..).unwrap_or_default();
        if shown.len() > MAX_SHOWN || size(shown) > budget {
            while let [_, later @ ..] = shown
                && (shown.len() > MAX_SHOWN / 2 || size(shown) > budget / 2)
                && !(later.is_empty() && size(shown) <= budget)
            {
                shown = later;
            }
        }
        self.first = shown.first().map(|exchange| exchange.turn);
        shown
    }
}

fn size(exchanges: &[Exchange]) -> usize {
    // What a template puts around a message.
    const AROUND: usize = 24;
    exchanges.iter().map(|exchange| exchange.words.len() + exchange.heard.len() + 2 * AROUND).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration, OffsetDateTime};

    use super::*;

    fn exchange(minute: i64, heard: &str, status: TurnStatus) -> Exchange {
        Exchange {
            turn: TurnId::generate(),
            person_id: "ada".into(),
            person_name: "Ada".into(),
            words: format!("Question {minute}."),
            heard: heard.into(),
            status,
            started_at: OffsetDateTime::UNIX_EPOCH + Duration::minutes(minute),
        }
    }

    fn heard(history: &History) -> Vec<&str> {
        history.exchanges.iter().map(|exchange| exchange.heard.as_str()).collect()
    }

    #[test]
    fn a_turn_without_a_row_yet_is_shown_as_it_was_generated() {
        let old = exchange(1, "one", TurnStatus::Completed);
        let open = exchange(2, "tw", TurnStatus::Open);
        let just_ended = Exchange { heard: "two".into(), ..open.clone() };
        let unwritten = exchange(3, "three", TurnStatus::Open);
        let history = merge(vec![old, open], &[unwritten, just_ended], TurnId::generate());
        assert_eq!(heard(&history), ["one", "two", "three"]);
        assert!(history.provisional);
    }

    #[test]
    fn what_was_heard_wins_once_it_is_known() {
        let row = exchange(1, "Once upon", TurnStatus::Interrupted);
        let generated = Exchange { heard: "Once upon a time".into(), status: TurnStatus::Open, ..row.clone() };
        let history = merge(vec![row], &[generated], TurnId::generate());
        assert_eq!(heard(&history), ["Once upon"]);
        assert!(!history.provisional);
    }

    #[test]
    fn the_turn_itself_is_not_its_own_history() {
        let row = exchange(1, "", TurnStatus::Open);
        let history = merge(vec![row.clone()], std::slice::from_ref(&row), row.turn);
        assert!(history.exchanges.is_empty() && !history.provisional);
    }

    #[test]
    fn the_beginning_moves_rarely() {
        let exchanges: Vec<_> = (0..60).map(|n| exchange(n, "An answer.", TurnStatus::Completed)).collect();
        let mut window = Window::default();
        let mut beginnings = Vec::new();
        for turns in 1..=exchanges.len() {
            let shown = window.show(&exchanges[..turns], 1500);
            assert!(size(shown) <= 1500);
            assert_eq!(shown.last(), exchanges[..turns].last());
            beginnings.push(shown[0].turn);
        }
        beginnings.dedup();
        assert!(beginnings.len() <= 7, "the beginning moved {} times in 60 turns", beginnings.len() - 1);
    }

    proptest! {
        #[test]
        fn a_window_fits_and_shows_at_least_the_last_turn_if_that_fits(
            lengths in proptest::collection::vec(0_usize..400, 0..80),
            budget in 0_usize..4000,
        ) {
            let exchanges: Vec<_> = lengths
                .iter()
                .zip(0..)
                .map(|(length, n)| exchange(n, &"x".repeat(*length), TurnStatus::Completed))
                .collect();
            let mut window = Window::default();
            let shown = window.show(&exchanges, budget);
            prop_assert!(size(shown) <= budget && shown.len() <= MAX_SHOWN);
            let last_fits = exchanges.last().is_some_and(|last| size(std::slice::from_ref(last)) <= budget);
            prop_assert_eq!(shown.is_empty(), !last_fits);
        }
    }
}
