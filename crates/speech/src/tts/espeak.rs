//! Phonemes from a long-lived `espeak-ng` process.
//!
//! It reads a line and writes its phonemes, a line per clause it sees; how many that will be nobody knows. So each
//! text is followed by a line with phonemes that it must write back as they are: [`MARKER`] ends the reply. The
//! process is stopped and started again when it dies, falls silent or answers out of step.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No word of any language comes out as a bare row of this consonant.
const MARKER: &str = "zzz";

/// A reply takes a few milliseconds, the first one some tens.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longer lines are cut: espeak splits them itself, in the middle of a word.
const MAX_LINE: usize = 900;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} can't be started ({reason}); install the package espeak-ng", program.display())]
    Start { program: PathBuf, reason: String },
    #[error("espeak-ng {0}")]
    Failed(&'static str),
    #[error("espeak-ng knows no voice `{0}`; install its full voice data")]
    NoVoice(String),
}

/// The process, or the intention to start one. Callers take turns: a clause takes a few milliseconds.
#[derive(Debug)]
pub(super) struct Espeak {
    program: PathBuf,
    voice: String,
    process: Mutex<Option<Process>>,
}

impl Espeak {
    /// Starts the process and hears it say something.
    pub(super) fn start(program: &Path, voice: &str) -> Result<Self, Error> {
        let espeak = Self { program: program.to_owned(), voice: voice.to_owned(), process: Mutex::new(None) };
        match espeak.phonemes("one") {
            Ok(phonemes) if !phonemes.is_empty() => Ok(espeak),
            Err(error @ Error::Start { .. }) => Err(error),
            // It starts with any voice, complains and exits when it does not know it.
            _ => Err(Error::NoVoice(espeak.voice)),
        }
    }

    /// The phonemes of a clause, in the International Phonetic Alphabet, words separated by spaces.
    pub(super) fn phonemes(&self, clause: &str) -> Result<String, Error> {
        let line = clean(clause);
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = process.as_mut() {
            match running.ask(&line) {
                Ok(phonemes) => return Ok(phonemes),
                Err(error) => tracing::warn!(%error, "starting espeak-ng again"),
            }
        }
        // Not left half-answered: the next clause must not get the rest of this one's phonemes.
        *process = None;
        let mut fresh = Process::start(&self.program, &self.voice)?;
        let phonemes = fresh.ask(&line)?;
        *process = Some(fresh);
        Ok(phonemes)
    }

    /// Id of the running process, for the test that kills it.
    #[cfg(test)]
    pub(super) fn process_id(&self) -> Option<u32> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|process| process.child.id())
    }
}

#[derive(Debug)]
struct Process {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Process {
    fn start(program: &Path, voice: &str) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Start { program: program.to_owned(), reason: error.to_string() };
        let mut child = Command::new(program)
            .args(["-q", "--ipa", "-v", voice])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Failed("has no pipes"));
        };
        let (sender, lines) = sync_channel(64);
        std::thread::Builder::new()
            .name("espeak-lines".to_owned())
            .spawn(move || forward_lines(BufReader::new(output), &sender))
            .map_err(failed)?;
        Ok(Self { child, input, lines })
    }

    fn ask(&mut self, line: &str) -> Result<String, Error> {
        let question = format!("{line}\n[[{MARKER}]]\n");
        self.input
            .write_all(question.as_bytes())
            .and_then(|()| self.input.flush())
            .map_err(|_| Error::Failed("ended unexpectedly"))?;
        let deadline = Instant::now() + PATIENCE;
        let mut phonemes = String::new();
        loop {
            let line = match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Err(Error::Failed("did not answer in time")),
                Err(RecvTimeoutError::Disconnected) => return Err(Error::Failed("ended unexpectedly")),
            };
            let line = line.trim();
            if line == MARKER {
                return Ok(phonemes);
            }
            if !phonemes.is_empty() && !line.is_empty() {
                phonemes.push(' ');
            }
            phonemes.push_str(&without_language_switches(line));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward_lines(mut output: impl BufRead, lines: &SyncSender<String>) {
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
            return;
        }
        line.clear();
    }
}

/// One line, without the brackets that make espeak take phonemes instead of words.
fn clean(clause: &str) -> String {
    let mut line = String::with_capacity(clause.len());
    for character in clause.chars() {
        if line.len() + character.len_utf8() > MAX_LINE {
            break;
        }
        line.push(if character.is_control() || matches!(character, '[' | ']') { ' ' } else { character });
    }
    line
}

/// espeak writes `(de)` and `(en)` around a word it reads as another language.
fn without_language_switches(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut inside = false;
    for character in line.chars() {
        match character {
            '(' => inside = true,
            ')' => inside = false,
            _ if !inside => out.push(character),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn espeak() -> Espeak {
        Espeak::start(Path::new("espeak-ng"), "en-us").unwrap()
    }

    #[test]
    fn a_clause_becomes_phonemes() {
        let espeak = espeak();
        assert_eq!(espeak.phonemes("hello world").unwrap(), "həlˈoʊ wˈɜːld");
        assert_eq!(espeak.phonemes("hello, world").unwrap(), "həlˈoʊ wˈɜːld");
        assert_eq!(espeak.phonemes("").unwrap(), "");
    }

    #[test]
    fn a_killed_process_is_replaced() {
        let espeak = espeak();
        let before = espeak.process_id().unwrap();
        let status = Command::new("kill").args(["-9", &before.to_string()]).status().unwrap();
        assert!(status.success());
        assert_eq!(espeak.phonemes("hello").unwrap(), "həlˈoʊ");
        assert_ne!(espeak.process_id(), Some(before));
    }

    #[test]
    fn junk_does_not_get_it_out_of_step() {
        let espeak = espeak();
        let alphabet: Vec<char> =
            "aZ9 .,!?[]()<>{}$%&#@*\\\"'\t\u{1b}\u{0}\né日😀\u{301}\u{200b}zzz-".chars().collect();
        let mut seed = 12345u64;
        for _ in 0..1_500 {
            let line: String = (0..seed % 60)
                .map(|_| {
                    seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    alphabet[(seed >> 33) as usize % alphabet.len()]
                })
                .collect();
            seed = seed.wrapping_add(977);
            espeak.phonemes(&line).unwrap();
        }
        espeak.phonemes("[[zzz]]\n[[zzz]]").unwrap();
        espeak.phonemes(&"x".repeat(5_000)).unwrap();
        assert_eq!(espeak.phonemes("hello").unwrap(), "həlˈoʊ");
    }

    #[test]
    fn what_can_not_start_is_named() {
        let error = Espeak::start(Path::new("/nowhere/espeak-ng"), "en-us").unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/espeak-ng can't be started"), "{error}");
        let error = Espeak::start(Path::new("espeak-ng"), "xx-nowhere").unwrap_err();
        assert!(matches!(error, Error::NoVoice(_)), "{error}");
    }
}
