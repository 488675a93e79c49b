//! How long what may take.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Options {
    /// Within it the language model judges, or the default holds.
    pub judgement: Duration,
    /// The same from the same source within this time is told once.
    pub repetition: Duration,
    /// Until somebody who is nowhere is looked for again.
    pub until_there: Duration,
    /// How long running work may take after the wish to stop.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            judgement: Duration::from_millis(1200),
            repetition: Duration::from_secs(600),
            until_there: Duration::from_secs(5),
            drain: Duration::from_secs(10),
        }
    }
}
