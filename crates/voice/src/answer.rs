//! One generation of one turn, from the words of the person (or a given text) to queued frames. LLM and TTS overlap, and both
//! begin before the commit where there is a guess of the person's words.

use std::time::Duration;

use aether_bus::{Bus, Call, CallOptions, Context, Error, Frame};
use aether_proto::{
    BrainInput, BrainOutput, Commit, Done, ErrorCode, Open, Status, ToolResult, Update, brain_input, brain_output,
    subject,
};
use aether_turn::Generation;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::chunker::{Chunk, Chunker};
use crate::deadline::at;
use crate::journal::shown_part;
use crate::outbox::Outbox;
use crate::phrases::{ONE_MOMENT, Phrases};
use crate::playout::{Item, Playout};
use crate::speaker::{Speaker, Spoken};

/// Words that wait for the end of their clause are spoken anyway when the model has been silent for so long.
const FLUSH_AFTER: Duration = Duration::from_millis(400);
/// Brain says within its own deadlines what is wrong; this ends an answer that stops in its middle without a word.
const BRAIN_IDLE: Duration = Duration::from_secs(30);
/// What fails so soon after the commit was not the model.
const AT_ONCE: Duration = Duration::from_millis(500);
/// The status that comes with a sentence to say.
const LOOKING: &str = "looking";
/// The status of somebody who was asked for a moment.
const WAITING: &str = "waiting";
/// An answer's chunks ahead of the synthesis.
const CHUNKS_AHEAD: usize = 32;

/// What to answer.
pub(crate) enum Source {
    /// Brain is asked; the turn is real once the final text comes. A dropped sender means that it never will be.
    Ask { open: Box<Open>, words: mpsc::Receiver<Update>, commit: oneshot::Receiver<Commit> },
    /// This text is said as it is.
    Text(String),
}

/// What the answer tells its session.
#[derive(Debug)]
pub(crate) enum Event {
    Text {
        generation: Generation,
        delta: String,
    },
    /// Nothing of it can be heard before the commit.
    Held {
        generation: Generation,
    },
    Status {
        generation: Generation,
        code: String,
        message: String,
    },
    /// One of brain's own tools has run.
    ToolResult {
        generation: Generation,
        result: ToolResult,
    },
    /// From here on the answer is shown and not heard.
    Voiceless {
        generation: Generation,
        reason: String,
    },
    /// All text has come; the playout reports when it has been heard.
    Finished {
        generation: Generation,
        timings: Timings,
    },
    Failed {
        generation: Generation,
        error: aether_proto::Error,
    },
}

/// When the stages of one answer were reached. `None`: not reached. What was made ahead was reached before the commit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timings {
    pub committed: Option<Instant>,
    pub first_token: Option<Instant>,
    pub first_chunk: Option<Instant>,
    pub first_pcm: Option<Instant>,
    /// What tts measured on its side of the way to the first PCM.
    pub synthesis: Option<Duration>,
    /// What brain measured on its side.
    pub brain: Option<Done>,
}

pub(crate) struct Answer {
    pub generation: Generation,
    pub bus: Bus,
    pub context: Context,
    pub voice: String,
    pub playout: Playout,
    pub events: mpsc::Sender<Event>,
    pub phrases: Phrases,
    /// The person knows that there is none.
    pub has_no_voice: bool,
    /// Who hears nothing for so long after the commit is asked for a moment.
    pub moment: Duration,
}

impl Answer {
    /// Runs to the end of the text and its synthesis. Dropping the future cancels every call under way.
    pub(crate) async fn run(self, source: Source) {
        let (chunks, chunks_in) = mpsc::channel(CHUNKS_AHEAD);
        let speaker = Speaker::new(&self);
        let text = self.text(source, chunks);
        let (outcome, spoken) = tokio::join!(text, speaker.run(chunks_in));
        let generation = self.generation;
        let event = match outcome {
            Ok(Some(timings)) => Event::Finished { generation, timings: timings.with(&spoken) },
            Ok(None) => return,
            Err(error) => Event::Failed { generation, error },
        };
        // The session must know how the text ended before it learns that all of it was heard. One that is gone has cancelled
        // this answer already.
        let _ = self.events.send(event).await;
        self.playout.push(generation, Item::End).await;
    }

    /// `Ok(None)`: the turn was never committed.
    async fn text(&self, source: Source, chunks: mpsc::Sender<Chunk>) -> Result<Option<Timings>, aether_proto::Error> {
        match source {
            Source::Text(text) => {
                let mut outbox = Outbox::of_text(self.events.clone(), chunks);
                let mut chunker = Chunker::new();
                self.take(&text, &mut chunker, &mut outbox).await;
                outbox.speak(chunker.flush()).await;
                Ok(Some(outbox.timings))
            }
            Source::Ask { open, words, commit } => {
                self.ask(*open, words, Outbox::new(self.events.clone(), chunks, commit)).await
            }
        }
    }

    async fn ask(
        &self,
        open: Open,
        words: mpsc::Receiver<Update>,
        mut outbox: Outbox,
    ) -> Result<Option<Timings>, aether_proto::Error> {
        let early = self.open(&open).await;
        if !follow(early.as_ref().ok(), words, &mut outbox).await {
            return Ok(None);
        }
        let is_open = early.is_ok();
        let first = match early {
            Ok(call) => self.listen(call, &mut outbox).await,
            Err(error) => Err(error),
        };
        let answered = match first {
            // One more try before the first word: opening early, and guessing, are advantages and no conditions; the worker
            // was lost and another holds the queue; or the call had grown too old while the person went on speaking.
            Err(error) if outbox.timings.first_token.is_none() && (!is_open || is_worth_another(&error, &outbox)) => {
                tracing::info!(%error, "asking again for the answer");
                if outbox.until_committed().await.is_none() {
                    return Ok(None);
                }
                let call = self.open(&open).await?;
                self.listen(call, &mut outbox).await?
            }
            other => other?,
        };
        // An answer that was made whole, ahead, is told once it is wanted.
        if !answered || outbox.until_committed().await.is_none() {
            return Ok(None);
        }
        if outbox.timings.first_token.is_none() {
            return Err(ErrorCode::LlmUnavailable.error("the language model answered without a single word"));
        }
        Ok(Some(outbox.timings))
    }

    async fn open(&self, open: &Open) -> Result<Call<BrainInput, BrainOutput>, Error> {
        let input = BrainInput { input: Some(brain_input::Input::Open(open.clone())) };
        let options = CallOptions { idle: BRAIN_IDLE, ..CallOptions::default() };
        self.bus.call(&self.context, subject::BRAIN_REQUEST, &input, options).await
    }

    /// Takes the answer as it comes; false when the turn is given up.
    async fn listen(&self, mut call: Call<BrainInput, BrainOutput>, outbox: &mut Outbox) -> Result<bool, Error> {
        if let Some(commit) = outbox.commit() {
            call.send(&committed(commit)).await?;
        }
        let mut chunker = Chunker::new();
        loop {
            let is_pending = chunker.has_pending_words();
            let patience = outbox.silent_since().map(|since| since + self.moment);
            let frame = tokio::select! {
                biased;
                commit = outbox.until_committed(), if outbox.commit().is_none() => {
                    let Some(commit) = commit else { return Ok(false) };
                    call.send(&committed(commit)).await?;
                    continue;
                }
                frame = call.next() => frame?,
                () = sleep(FLUSH_AFTER), if is_pending => {
                    outbox.speak(chunker.pause()).await;
                    continue;
                }
                () = at(patience) => {
                    outbox.speak(chunker.aside(ONE_MOMENT)).await;
                    let (code, message) = (WAITING.to_owned(), ONE_MOMENT.to_owned());
                    outbox.tell(Event::Status { generation: self.generation, code, message }).await;
                    continue;
                }
            };
            let Some(frame) = frame else { break };
            let Frame::Message(BrainOutput { output: Some(output) }) = frame else { continue };
            match output {
                brain_output::Output::TextChunk(chunk) => self.take(&chunk.text, &mut chunker, outbox).await,
                brain_output::Output::Held(_) => {
                    outbox.speak(chunker.pause()).await;
                    if !outbox.has_spoken() {
                        // Before the commit, so not by way of the outbox. A session that is gone has cancelled this already.
                        let _ = self.events.send(Event::Held { generation: self.generation }).await;
                    }
                }
                brain_output::Output::Status(Status { code, message }) => {
                    // Said while the person waits, and no part of the answer.
                    if code == LOOKING {
                        outbox.speak(chunker.aside(&message)).await;
                    }
                    outbox.tell(Event::Status { generation: self.generation, code, message }).await;
                }
                brain_output::Output::ToolResult(result) => {
                    outbox.tell(Event::ToolResult { generation: self.generation, result }).await;
                }
                brain_output::Output::Done(done) => outbox.timings.brain = Some(done),
                // Counted by brain.
                brain_output::Output::Usage(_) => {}
                // Only for callers that bring tools of their own.
                brain_output::Output::ToolCall(_) => {}
            }
        }
        outbox.speak(chunker.flush()).await;
        Ok(true)
    }

    async fn take(&self, delta: &str, chunker: &mut Chunker, outbox: &mut Outbox) {
        if delta.is_empty() {
            return;
        }
        outbox.timings.first_token.get_or_insert_with(Instant::now);
        let mut rest = delta;
        while !rest.is_empty() {
            let (part, later) = rest.split_at(shown_part(rest).len());
            outbox.tell(Event::Text { generation: self.generation, delta: part.to_owned() }).await;
            rest = later;
        }
        outbox.speak(chunker.push(delta)).await;
    }
}

fn committed(commit: &Commit) -> BrainInput {
    BrainInput { input: Some(brain_input::Input::Commit(commit.clone())) }
}

/// Whether what failed was probably not the model.
fn is_worth_another(error: &Error, outbox: &Outbox) -> bool {
    let at_once = outbox.timings.committed.is_none_or(|committed| committed.elapsed() < AT_ONCE);
    at_once || matches!(error, Error::PeerLost { .. } | Error::Gap { .. })
}

/// Passes on the words so far until the turn is committed, or there is a guess of its words; false if it is given up.
async fn follow(
    call: Option<&Call<BrainInput, BrainOutput>>,
    mut words: mpsc::Receiver<Update>,
    outbox: &mut Outbox,
) -> bool {
    loop {
        tokio::select! {
            biased;
            commit = outbox.until_committed() => return commit.is_some(),
            Some(update) = words.recv() => {
                let is_guess = update.guess;
                if let Some(call) = call {
                    // A call that is lost by now is found out, and opened again, at the commit.
                    let _ = call.sender().send(&BrainInput { input: Some(brain_input::Input::Update(update)) }).await;
                }
                if is_guess {
                    return true;
                }
            }
        }
    }
}

impl Timings {
    fn with(self, spoken: &Spoken) -> Self {
        Self { first_chunk: spoken.first_chunk, first_pcm: spoken.first_pcm, synthesis: spoken.synthesis, ..self }
    }
}
