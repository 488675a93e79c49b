//! Whether the person is done. An answer may be begun on a guess that they are; what has an effect waits here for the commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_bus::CallEnded;
use aether_proto::{Error, ErrorCode};
use tokio::sync::SetOnce;
use tokio::time::timeout;

use crate::input::{Input, Words, invalid};
use crate::turn::Call;

/// Of one turn; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Commitment {
    made: Arc<SetOnce<Committed>>,
}

/// Proof that the person is done. Whatever has an effect asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Committed {
    at: Instant,
}

impl Commitment {
    /// The person is done, as of now.
    pub fn make(&self) {
        // Made already: the first time counts.
        let _ = self.made.set(Committed { at: Instant::now() });
    }

    pub fn is_made(&self) -> bool {
        self.made.initialized()
    }

    pub async fn made(&self) -> Committed {
        *self.made.wait().await
    }

    /// How long after the commit `instant` was; zero for what was before it.
    pub fn until(&self, instant: Instant) -> Duration {
        self.made.get().map_or(Duration::ZERO, |committed| instant.saturating_duration_since(committed.at))
    }

    pub fn elapsed(&self) -> Duration {
        self.until(Instant::now())
    }

    /// Listens to the caller, while an answer to `guess` is made, until it is committed. Where it is already, this ends at
    /// once and takes no input. An error ends the turn.
    pub async fn follow(&self, call: &mut Call, guess: &Words, patience: Duration) -> Result<(), Error> {
        while !self.is_made() {
            let frame = timeout(patience, call.next()).await.map_err(|_| never_made())?;
            let input = Input::read(frame.ok_or(CallEnded)?)?;
            if input.is_stale(guess.generation) {
                continue;
            }
            match input {
                Input::Commit(words) if words.are(&guess.text) => self.make(),
                _ => return Err(invalid("an answer to other words has been begun: open the turn anew")),
            }
        }
        Ok(())
    }
}

impl Committed {
    pub fn elapsed(self) -> Duration {
        self.at.elapsed()
    }
}

/// What becomes of a caller that is not heard of again.
pub fn never_made() -> Error {
    ErrorCode::DeadlineExceeded.error("the turn was opened and never committed")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn times_count_from_the_commit_and_what_was_before_it_took_none() {
        let commitment = Commitment::default();
        let before = Instant::now();
        assert_eq!((commitment.is_made(), commitment.elapsed()), (false, Duration::ZERO));
        assert!(commitment.made().now_or_never().is_none());
        let waiting = commitment.clone();
        commitment.make();
        assert_eq!((commitment.is_made(), commitment.until(before)), (true, Duration::ZERO));
        let at = waiting.made().now_or_never().unwrap().at;
        assert_eq!(commitment.until(at + Duration::from_millis(7)), Duration::from_millis(7));
        commitment.make();
        assert_eq!(commitment.until(at), Duration::ZERO, "a second commit changes nothing");
    }
}
