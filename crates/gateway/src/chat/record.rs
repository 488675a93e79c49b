//! What of a typed turn must last, and what others may watch: the turn log and the person's client events.
//!
//! A task of its own writes, so that an answer never waits for a disk. Text is shown as it comes and logged a few times a
//! second: each entry costs the database more than the words in it. The task outlives the request: a reader who hangs up in
//! the middle of an answer leaves a turn that says how far it came.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aether_proto::turn_log_entry::Step as LogStep;
use aether_proto::{
    AnswerChunk, ClientEvent, Ended, ErrorCode, Heard, Status, StatusEvent, StreamEnd, TextEvent, ToolResult,
    TranscriptEvent, TurnLogEntry, UserCommitted, client_event, subject,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use super::turn::Turn;
use crate::app::App;

const MODALITY: &str = "text";
/// More than an answer makes while the bus stands still for a second.
const QUEUE: usize = 256;
/// The longest text of one entry, in bytes: as JSON it must stay below what the log takes, whatever is in it.
const LONGEST_TEXT: usize = 64 << 10;
/// Between two entries of an answer that goes on: as much of it as a crash may lose.
const PACE: Duration = Duration::from_millis(200);

/// The pen of one leg of a turn. Dropped without an end, the turn was interrupted.
#[derive(Debug, Default)]
pub(super) struct Record {
    steps: Option<mpsc::Sender<Step>>,
    safe: Option<oneshot::Receiver<()>>,
}

#[derive(Debug)]
enum Step {
    Text(String),
    Status(Status),
    ToolResult(ToolResult),
    End(&'static str),
}

impl Record {
    /// Begins with what the person wrote, unless an earlier leg did. Off the record it writes nothing at all.
    pub fn begin(app: &App, turn: &Turn, words: &str) -> Self {
        if turn.off_the_record {
            return Self::default();
        }
        let (steps, steps_in) = mpsc::channel(QUEUE);
        let (kept, safe) = oneshot::channel();
        let writer = Writer {
            app: app.clone(),
            turn: turn.clone(),
            sequence: turn.first_number(),
            chunk: turn.first_number(),
            shown: turn.first_number(),
            unlogged: String::new(),
            answered: turn.answered_before,
        };
        let words = (turn.generation == 0).then(|| words.to_owned());
        app.background.spawn(writer.run(words, kept, steps_in).in_current_span());
        Self { steps: Some(steps), safe: Some(safe) }
    }

    /// Resolves once what the person wrote can't be lost any more, or can't be kept.
    pub async fn safe(&mut self) {
        if let Some(safe) = self.safe.take() {
            let _ = safe.await;
        }
    }

    pub async fn text(&self, text: &str) {
        self.step(Step::Text(text.to_owned())).await;
    }

    pub async fn status(&self, status: Status) {
        self.step(Step::Status(status)).await;
    }

    pub async fn tool_result(&self, result: ToolResult) {
        self.step(Step::ToolResult(result)).await;
    }

    /// `completed` or `error`.
    pub async fn end(&mut self, reason: &'static str) {
        self.step(Step::End(reason)).await;
        self.steps = None;
    }

    async fn step(&self, step: Step) {
        if let Some(steps) = &self.steps {
            // The task ends only with this record.
            let _ = steps.send(step).await;
        }
    }
}

struct Writer {
    app: App,
    turn: Turn,
    /// What the next entry, the next chunk of the log and the next one that is shown are numbered.
    sequence: u32,
    chunk: u32,
    shown: u32,
    /// Shown already.
    unlogged: String,
    /// How long the answer is so far.
    answered: usize,
}

impl Writer {
    async fn run(mut self, words: Option<String>, kept: oneshot::Sender<()>, mut steps: mpsc::Receiver<Step>) {
        if let Some(words) = words {
            self.committed(&words).await;
        }
        let _ = kept.send(());
        let mut reason = "interrupted";
        let mut waiting = Vec::new();
        let mut due = Instant::now();
        loop {
            // Both arms only wait.
            let open = tokio::select! {
                count = steps.recv_many(&mut waiting, QUEUE) => count > 0,
                () = sleep_until(due), if !self.unlogged.is_empty() => true,
            };
            let mut text = String::new();
            for step in waiting.drain(..) {
                if !matches!(step, Step::Text(_)) {
                    self.show_text(&std::mem::take(&mut text)).await;
                }
                match step {
                    Step::Text(more) => text.push_str(&more),
                    Step::Status(Status { code, message }) => {
                        self.show(client_event::Event::Status(StatusEvent { code, message })).await;
                    }
                    Step::ToolResult(result) => self.show(client_event::Event::ToolResult(result)).await,
                    Step::End(how) => reason = how,
                }
            }
            self.show_text(&text).await;
            if !open || Instant::now() >= due {
                self.log_text().await;
                due = Instant::now() + PACE;
            }
            if !open {
                break;
            }
        }
        // Whoever reads gets all that was sent.
        let text_bytes = u32::try_from(self.answered).unwrap_or(u32::MAX);
        self.log(LogStep::Heard(Heard { text_bytes })).await;
        self.log(LogStep::Ended(Ended { reason: reason.to_owned() })).await;
        self.show(client_event::Event::StreamEnd(StreamEnd { reason: reason.to_owned() })).await;
    }

    async fn committed(&mut self, words: &str) {
        let text = words[..words.floor_char_boundary(LONGEST_TEXT)].to_owned();
        let person_id = self.turn.person.as_ref().map(ToString::to_string).unwrap_or_default();
        let kept = self
            .log(LogStep::UserCommitted(UserCommitted {
                room: String::new(),
                person_id: person_id.clone(),
                person_name: self.turn.person_name.clone(),
                text: text.clone(),
                modality: MODALITY.to_owned(),
            }))
            .await;
        if !kept {
            // Answered all the same: the person is there, and an answer that is forgotten is better than none.
            let message = "what is written now can't be kept: neither the bus nor the disk takes it".to_owned();
            let code = ErrorCode::StoreUnavailable.to_string();
            self.show(client_event::Event::Status(StatusEvent { code, message })).await;
        }
        self.show(client_event::Event::Transcript(TranscriptEvent {
            speaker: person_id,
            speaker_name: self.turn.person_name.clone(),
            text,
            r#final: true,
            modality: MODALITY.to_owned(),
        }))
        .await;
    }

    async fn show_text(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let (text, more) = rest.split_at(rest.floor_char_boundary(LONGEST_TEXT));
            rest = more;
            self.answered += text.len();
            self.unlogged.push_str(text);
            let index = self.shown;
            self.shown += 1;
            self.show(client_event::Event::TextChunk(TextEvent { index, text: text.to_owned() })).await;
            if self.unlogged.len() > LONGEST_TEXT {
                self.log_text().await;
            }
        }
    }

    async fn log_text(&mut self) {
        let unlogged = std::mem::take(&mut self.unlogged);
        let mut rest = unlogged.as_str();
        while !rest.is_empty() {
            let (text, more) = rest.split_at(rest.floor_char_boundary(LONGEST_TEXT));
            rest = more;
            let index = self.chunk;
            self.chunk += 1;
            self.log(LogStep::AnswerChunk(AnswerChunk { index, text: text.to_owned() })).await;
        }
    }

    /// False: the step could not be kept.
    async fn log(&mut self, step: LogStep) -> bool {
        let sequence = self.sequence;
        self.sequence += 1;
        let entry = TurnLogEntry {
            session_id: self.turn.session.to_string(),
            turn_id: self.turn.id.to_string(),
            sequence,
            at_unix_us: unix_us(),
            step: Some(step),
        };
        let kept = self.app.turn_log.append(&self.turn.context, &entry).await;
        kept.inspect_err(|error| {
            tracing::error!(%error, "a step of the conversation could not be kept, on the bus or on disk");
        })
        .is_ok()
    }

    /// Tells the person's own clients. Nobody in particular has none.
    async fn show(&self, event: client_event::Event) {
        let Some(person) = &self.turn.person else { return };
        let event = ClientEvent {
            room: String::new(),
            session_id: self.turn.session.to_string(),
            turn_id: self.turn.id.to_string(),
            at_unix_us: unix_us(),
            people: vec![person.to_string()],
            event: Some(event),
        };
        let subject = subject::person_events(&self.turn.context.tenant, person);
        if let Err(error) = self.app.bus.publish(&self.turn.context, &subject, &event).await {
            tracing::debug!(%error, "a client event was not published");
        }
    }
}

pub(crate) fn unix_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
