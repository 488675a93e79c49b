//! What the caller is told of an answer, and when. Its text goes out as it is made, also where it was begun on a guess; what
//! may not be for nothing waits for the commit ([`Turn::until_committed`]).

use std::time::{Duration, Instant};

use aether_llm::ToolCallPiece;
use aether_proto::{Done, Error, Held, Status, TextChunk, Usage, brain_output};
use tracing::info;

use crate::commitment::{Commitment, Committed};
use crate::turn::{Prepared, Turn, milliseconds};

/// Told once in a session, when an answer is made without what was said before.
const MEMORY_UNAVAILABLE: &str = "memory_unavailable";

/// When the answer's preparation got where.
#[derive(Clone, Copy)]
pub struct Times {
    /// All is known that the prompt needs. From here on it is the model that takes its time.
    pub prepared: Instant,
    /// From the commit to there.
    pub recall: Duration,
    /// What the embedding model took of it.
    pub embed: Duration,
}

/// What has been told so far.
pub struct Telling {
    /// Since when the model takes its time.
    asked: Instant,
    /// Of the next chunk.
    index: u32,
    /// A round has begun since the last chunk.
    pub pause: bool,
    /// Tools of the caller have been asked for.
    pub called: bool,
    pub usage: Option<Usage>,
    done: Done,
    without_memory: bool,
}

impl Telling {
    fn new(prepared: &Prepared) -> Self {
        let Times { prepared: asked, recall, embed } = prepared.times;
        Self {
            asked,
            index: 0,
            pause: false,
            called: false,
            usage: None,
            done: Done { recall_ms: milliseconds(recall), model_embed_us: microseconds(embed), ..Done::default() },
            without_memory: prepared.known.failed || prepared.recalled.failed,
        }
    }

    pub const fn is_silent(&self) -> bool {
        self.index == 0 && !self.called
    }

    /// The first of the answer is there.
    fn begins(&mut self, commitment: &Commitment) {
        self.done.first_token_ms = milliseconds(commitment.elapsed());
        self.done.model_first_token_us = microseconds(self.asked.elapsed());
    }
}

impl Turn {
    /// Makes and sends the answer.
    pub async fn generate(&mut self, mut prepared: Prepared) -> Result<(), Error> {
        let mut telling = Telling::new(&prepared);
        if self.commitment.is_made() {
            self.until_committed(&mut telling).await?;
        }
        let mut outcome = self.respond(&mut telling, &mut prepared).await;
        let is_guess = !self.commitment.is_made();
        let committed = self.until_committed(&mut telling).await?;
        if outcome.is_err() && is_guess && telling.is_silent() {
            // To begin early must not be worse than to wait: a model that failed before it was needed is asked again.
            prepared.times.prepared = Instant::now();
            telling = Telling::new(&prepared);
            outcome = self.respond(&mut telling, &mut prepared).await;
        }
        let finish = outcome?;

        let Telling { usage, mut done, index, .. } = telling;
        if let Some(usage) = usage {
            self.send(brain_output::Output::Usage(usage)).await?;
        }
        done.finish_reason = finish.as_str().to_owned();
        done.total_ms = milliseconds(committed.elapsed());
        let Done { recall_ms, first_token_ms, total_ms, .. } = done;
        info!(recall_ms, first_token_ms, total_ms, chunks = index, "turn answered");
        self.send(brain_output::Output::Done(done)).await?;
        Ok(())
    }

    /// Waits until the person is known to be done. What may only be told then is told.
    pub async fn until_committed(&self, telling: &mut Telling) -> Result<Committed, Error> {
        let began = Instant::now();
        if !self.commitment.is_made() {
            self.send(brain_output::Output::Held(Held {})).await?;
        }
        let committed = self.commitment.made().await;
        // The person took this time, not the model.
        telling.asked += began.elapsed();
        if telling.without_memory
            && self.mind.sessions.tell_once(&self.opening.tenant, self.opening.session, MEMORY_UNAVAILABLE)
        {
            let message = "I can't remember our earlier conversations right now.".to_owned();
            self.send(brain_output::Output::Status(Status { code: MEMORY_UNAVAILABLE.to_owned(), message })).await?;
        }
        Ok(committed)
    }

    pub async fn tell(&mut self, telling: &mut Telling, text: &str) -> Result<(), Error> {
        // Models like to begin with a blank; nobody can say one.
        let is_first = telling.index == 0;
        let text = if is_first || telling.pause { text.trim_start() } else { text };
        if text.is_empty() {
            return Ok(());
        }
        let text = if telling.pause && !is_first { format!(" {text}") } else { text.to_owned() };
        telling.pause = false;
        if is_first {
            telling.begins(&self.commitment);
        }
        if let Some(said) = &mut self.said {
            said.heard.push_str(&text);
        }
        self.send(brain_output::Output::TextChunk(TextChunk { index: telling.index, text })).await?;
        telling.index += 1;
        Ok(())
    }

    /// A call of one of the caller's own tools.
    pub async fn pass_on(&self, telling: &mut Telling, piece: ToolCallPiece) -> Result<(), Error> {
        if telling.is_silent() {
            telling.begins(&self.commitment);
        }
        telling.called = true;
        let call = aether_proto::ToolCall {
            index: piece.index,
            id: piece.id.unwrap_or_default(),
            name: piece.name.unwrap_or_default(),
            arguments: piece.arguments,
        };
        Ok(self.send(brain_output::Output::ToolCall(call)).await?)
    }
}

fn microseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
