use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use aether_turn::trace::{self, Replay};

use crate::{Error, print};

/// As many differences are shown: those that follow mostly come of the first.
const SHOWN: usize = 5;

/// Look into how the agent took its turns.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  AETHER_TURN_TRACE=traces aether up     keep a trace of every session\n  \
    aether turn replay traces/0198….jsonl")]
pub enum Action {
    Replay(Arguments),
}

/// Play a recorded session through the turn-taking machines again, and compare what they decide.
///
/// A trace is what went into the machines of one session (a voice began, words were understood, a deadline passed) and what
/// they made of it (open a turn, answer, fall silent). The machines know no clock and no chance, so this program decides
/// exactly as the one that kept the trace, unless its rules for taking turns are others: then the first event that is answered
/// otherwise is shown, with its line, and the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The agent keeps a trace of each session in the folder that AETHER_TURN_TRACE names (turn.trace in \
    aether.toml). It holds what people say; nothing of it is kept off the record.\n\n\
    Example:\n  aether turn replay traces/0198….jsonl"
)]
pub struct Arguments {
    /// A trace, one JSON object per line
    file: PathBuf,
}

pub fn run(action: &Action) -> Result<(), Error> {
    let Action::Replay(Arguments { file }) = action;
    let lines = BufReader::new(File::open(file).map_err(Error::io(format!("{} can't be read", file.display())))?);
    let outcome = replay(lines.lines(), file)?;
    print::line(&format!(
        "{} events were replayed, {} of them identically.",
        outcome.events,
        outcome.events - outcome.differences()
    ))?;
    if outcome.differences() == 0 {
        return Ok(());
    }
    print::line("")?;
    for difference in &outcome.first {
        print::line(&difference.to_string())?;
    }
    if outcome.more > 0 {
        print::line(&format!("and {} more", outcome.more))?;
    }
    Err(Error::Told)
}

#[derive(Debug, Default)]
struct Outcome {
    events: usize,
    first: Vec<trace::Error>,
    more: usize,
}

impl Outcome {
    fn differences(&self) -> usize {
        self.first.len() + self.more
    }
}

fn replay(lines: impl Iterator<Item = std::io::Result<String>>, file: &Path) -> Result<Outcome, Error> {
    let (mut replay, mut outcome) = (Replay::new(), Outcome::default());
    for (number, line) in lines.enumerate() {
        let line = line.map_err(Error::io(format!("line {} of {} can't be read", number + 1, file.display())))?;
        outcome.events += 1;
        match replay.next(&line) {
            Ok(()) => {}
            Err(error @ trace::Error::Unreadable { .. }) => {
                return Err(Error::Input(format!("{} is not a whole trace: {error}", file.display())));
            }
            Err(difference) if outcome.first.len() < SHOWN => outcome.first.push(difference),
            Err(_) => outcome.more += 1,
        }
    }
    match outcome.events {
        0 => Err(Error::Input(format!("{} is empty: expected the trace of a session", file.display()))),
        _ => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: &str = r#"{"machine":{"lane":1},"event":"began","effects":[]}"#;
    const ENDED: &str = r#"{"machine":{"lane":1},"event":"ended","effects":[{"transcribe":{"generation":1}},{"arm_silence_deadline":{"generation":1}}]}"#;

    fn replayed(lines: &[&str]) -> Result<Outcome, String> {
        let lines = lines.iter().map(|line| Ok((*line).to_owned()));
        replay(lines, Path::new("talk.jsonl")).map_err(|error| error.told().unwrap_or_default())
    }

    #[test]
    fn what_is_the_same_is_counted_and_what_is_not_is_shown() {
        let outcome = replayed(&[BEGAN, ENDED, BEGAN]).unwrap();
        assert_eq!((outcome.events, outcome.differences()), (3, 1), "going on cancels the transcription");
        assert!(outcome.first[0].to_string().starts_with("line 3: lane 1, \"began\""), "{:?}", outcome.first);
        let outcome = replayed(&[ENDED; 9]).unwrap();
        assert_eq!((outcome.first.len(), outcome.more), (SHOWN, 4));
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_line() {
        let told = replayed(&[BEGAN, r#"{"machine":{"lane":1},"ev"#]).unwrap_err();
        assert!(told.starts_with("talk.jsonl is not a whole trace: line 2, column 25: "), "{told}");
        assert!(replayed(&[]).unwrap_err().contains("talk.jsonl is empty"));
    }
}
