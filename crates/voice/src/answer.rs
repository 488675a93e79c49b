//! One generation of one turn, from the words of the person (or a given text) to queued frames. LLM and TTS overlap.

use std::time::Duration;

use aether_bus::{Bus, Call, CallOptions, Context, Error, Frame};
use aether_proto::{
    BrainInput, BrainOutput, Commit, Done, ErrorCode, Open, Status, ToolResult, Update, brain_input, brain_output,
    subject,
};
use aether_turn::Generation;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::chunker::{Chunk, Chunker};
use crate::journal::shown_part;
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

/// When the stages of one answer were reached. `None`: not reached.
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
        // The session must know how the text ended before it learns that all of it was heard.
        self.tell(event).await;
        self.playout.push(generation, Item::End).await;
    }

    /// `Ok(None)`: the turn was never committed.
    async fn text(&self, source: Source, chunks: mpsc::Sender<Chunk>) -> Result<Option<Timings>, aether_proto::Error> {
        match source {
            Source::Text(text) => {
                let mut timings = Timings { committed: Some(Instant::now()), ..Timings::default() };
                let mut chunker = Chunker::new();
                self.take(&text, &mut chunker, &chunks, &mut timings).await;
                speak(&chunks, chunker.flush()).await;
                Ok(Some(timings))
            }
            Source::Ask { open, words, commit } => self.ask(*open, words, commit, chunks).await,
        }
    }

    async fn ask(
        &self,
        open: Open,
        words: mpsc::Receiver<Update>,
        commit: oneshot::Receiver<Commit>,
        chunks: mpsc::Sender<Chunk>,
    ) -> Result<Option<Timings>, aether_proto::Error> {
        let early = self.open(&open).await;
        let Some(commit) = follow(early.as_ref().ok(), words, commit).await else { return Ok(None) };
        let mut timings = Timings { committed: Some(Instant::now()), ..Timings::default() };
        // Opening early is an advantage, not a condition: what failed then is tried again now that it counts.
        let call = match early {
            Ok(call) => call,
            Err(error) => {
                tracing::info!(%error, "opening the turn again");
                self.open(&open).await?
            }
        };
        let first = self.listen(call, &commit, &chunks, &mut timings).await;
        let lost = |error: &Error| matches!(error, Error::PeerLost { .. } | Error::Gap { .. });
        let at_once = timings.committed.is_some_and(|committed| committed.elapsed() < AT_ONCE);
        match first {
            // One more try before the first word: the worker was lost and another holds the queue, or the call had grown too
            // old while the person went on speaking.
            Err(error) if timings.first_token.is_none() && (at_once || lost(&error)) => {
                tracing::info!(%error, "asking again for the answer");
                let call = self.open(&open).await?;
                self.listen(call, &commit, &chunks, &mut timings).await?;
            }
            other => other?,
        }
        if timings.first_token.is_none() {
            return Err(ErrorCode::LlmUnavailable.error("the language model answered without a single word"));
        }
        Ok(Some(timings))
    }

    async fn open(&self, open: &Open) -> Result<Call<BrainInput, BrainOutput>, Error> {
        let input = BrainInput { input: Some(brain_input::Input::Open(open.clone())) };
        let options = CallOptions { idle: BRAIN_IDLE, ..CallOptions::default() };
        self.bus.call(&self.context, subject::BRAIN_REQUEST, &input, options).await
    }

    async fn listen(
        &self,
        mut call: Call<BrainInput, BrainOutput>,
        commit: &Commit,
        chunks: &mpsc::Sender<Chunk>,
        timings: &mut Timings,
    ) -> Result<(), Error> {
        call.send(&BrainInput { input: Some(brain_input::Input::Commit(commit.clone())) }).await?;
        let mut chunker = Chunker::new();
        loop {
            let frame = match chunker.has_pending_words() {
                false => call.next().await?,
                true => match timeout(FLUSH_AFTER, call.next()).await {
                    Ok(frame) => frame?,
                    Err(_) => {
                        speak(chunks, chunker.pause()).await;
                        continue;
                    }
                },
            };
            let Some(frame) = frame else { break };
            let Frame::Message(BrainOutput { output: Some(output) }) = frame else { continue };
            match output {
                brain_output::Output::TextChunk(chunk) => {
                    self.take(&chunk.text, &mut chunker, chunks, timings).await;
                }
                brain_output::Output::Status(Status { code, message }) => {
                    // Said while the person waits, and no part of the answer.
                    if code == LOOKING {
                        speak(chunks, chunker.aside(&message)).await;
                    }
                    self.tell(Event::Status { generation: self.generation, code, message }).await;
                }
                brain_output::Output::ToolResult(result) => {
                    self.tell(Event::ToolResult { generation: self.generation, result }).await;
                }
                brain_output::Output::Done(done) => timings.brain = Some(done),
                // Counted by brain.
                brain_output::Output::Usage(_) => {}
                // Only for callers that bring tools of their own.
                brain_output::Output::ToolCall(_) => {}
            }
        }
        speak(chunks, chunker.flush()).await;
        Ok(())
    }

    async fn take(&self, delta: &str, chunker: &mut Chunker, chunks: &mpsc::Sender<Chunk>, timings: &mut Timings) {
        if delta.is_empty() {
            return;
        }
        timings.first_token.get_or_insert_with(Instant::now);
        let mut rest = delta;
        while !rest.is_empty() {
            let (part, later) = rest.split_at(shown_part(rest).len());
            self.tell(Event::Text { generation: self.generation, delta: part.to_owned() }).await;
            rest = later;
        }
        speak(chunks, chunker.push(delta)).await;
    }

    async fn tell(&self, event: Event) {
        // A session that is gone has cancelled this answer already.
        let _ = self.events.send(event).await;
    }
}

async fn speak(speaker: &mpsc::Sender<Chunk>, chunks: impl IntoIterator<Item = Chunk>) {
    for chunk in chunks {
        // The speaker ends only with this answer.
        let _ = speaker.send(chunk).await;
    }
}

/// Passes on the words so far until the turn is committed; `None` if it never will be.
async fn follow(
    call: Option<&Call<BrainInput, BrainOutput>>,
    mut words: mpsc::Receiver<Update>,
    mut commit: oneshot::Receiver<Commit>,
) -> Option<Commit> {
    loop {
        tokio::select! {
            biased;
            commit = &mut commit => return commit.ok(),
            Some(update) = words.recv() => {
                if let Some(call) = call {
                    // A call that is lost by now is found out, and opened again, at the commit.
                    let _ = call.sender().send(&BrainInput { input: Some(brain_input::Input::Update(update)) }).await;
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
