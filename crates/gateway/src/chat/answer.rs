//! The answer to one typed turn, as brain gives it. Dropping it ends the work on it everywhere.

use std::time::{Duration, Instant};

use aether_bus::{Bus, Call, CallOptions, Error, Frame};
use aether_proto::{
    BrainInput, BrainOutput, Commit, Conversation, ErrorCode, Modality, Open, ToolCall, Usage, brain_input,
    brain_output, subject,
};

use tracing::{Instrument as _, Span};

use super::record::Record;
use super::request::Request;
use super::turn::Turn;
use crate::app::App;
use crate::problem::Problem;

/// The longest text that brain takes as the words of one turn, in bytes. It shows the model as much of it as that can hold.
pub(super) const MOST_WORDS: usize = 64 << 10;
/// Of a longer text the beginning is enough to remember by, where the whole of it is in the conversation.
const MOST_REMEMBERED: usize = 16 << 10;

/// What an answer is made of, in its order. An [`End`](Piece::End) is the last.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// For the caller to run; in pieces, as brain sends it.
    ToolCall(ToolCall),
    End {
        finish_reason: String,
        usage: Usage,
    },
}

pub(super) struct Answer {
    app: App,
    turn: Turn,
    open: BrainInput,
    commit: BrainInput,
    call: Call<BrainInput, BrainOutput>,
    record: Record,
    arrived: Instant,
    /// Something of it has come, so nobody else can begin it again.
    begun: bool,
    asked_again: bool,
    answered: usize,
    /// Ids of the calls that the caller is to run.
    calls: Vec<String>,
    usage: Usage,
    over: bool,
    /// Of the request: a streamed answer goes on when its handler is done.
    span: Span,
}

impl Answer {
    /// Asks brain, once what the person wrote is safe. Not `is_stored`: the request's messages are the
    /// conversation.
    pub async fn ask(
        app: &App,
        turn: Turn,
        request: &Request,
        is_stored: bool,
        arrived: Instant,
    ) -> Result<Self, Problem> {
        let mut record = Record::begin(app, &turn, &request.words);
        let open = BrainInput { input: Some(brain_input::Input::Open(open(&turn, request, is_stored))) };
        let most = if is_stored { MOST_WORDS } else { MOST_REMEMBERED };
        let commit = BrainInput {
            input: Some(brain_input::Input::Commit(Commit {
                generation: turn.generation,
                text: request.words[..request.words.floor_char_boundary(most)].to_owned(),
            })),
        };
        // Brain may take the call while the words are written down; it thinks once they are.
        let (call, ()) = tokio::join!(call(&app.bus, &turn, &open, app.options.answer_idle), record.safe());
        let asked = async {
            let mut call = call?;
            say(&mut call, &commit).await?;
            Ok::<_, Error>(call)
        };
        let call = match asked.await {
            Ok(call) => call,
            Err(error) => {
                record.end("error").await;
                return Err(refused(error));
            }
        };
        Ok(Self {
            app: app.clone(),
            answered: turn.answered_before,
            turn,
            open,
            commit,
            call,
            record,
            arrived,
            begun: false,
            asked_again: false,
            calls: Vec::new(),
            usage: Usage::default(),
            over: false,
            span: Span::current(),
        })
    }

    /// The next piece; `None` after the last. Cancel-safe as long as nothing has come yet.
    pub async fn next(&mut self) -> Result<Option<Piece>, Problem> {
        let span = self.span.clone();
        self.proceed().instrument(span).await
    }

    async fn proceed(&mut self) -> Result<Option<Piece>, Problem> {
        if self.over {
            return Ok(None);
        }
        let piece = self.piece().await;
        match &piece {
            Ok(Piece::End { .. }) => {
                self.over = true;
                self.record.end("completed").await;
                if !self.calls.is_empty() {
                    let errand = self.turn.errand(self.answered);
                    let (tenant, person) = (&self.turn.context.tenant, self.turn.person.as_ref());
                    // What is off the record leaves no trace to go on from.
                    if !self.turn.off_the_record {
                        self.app.errands.wait(tenant, person, &self.calls, &errand);
                    }
                }
            }
            Ok(_) => {}
            Err(problem) => {
                self.over = true;
                tracing::info!(code = %problem.code(), "a typed turn was not answered");
                self.record.end("error").await;
            }
        }
        piece.map(Some)
    }

    async fn piece(&mut self) -> Result<Piece, Problem> {
        loop {
            let frame = match self.call.next().await {
                Ok(frame) => frame,
                // The worker was lost before its first word, and another may hold the queue.
                Err(error @ (Error::PeerLost { .. } | Error::Gap { .. })) if !self.begun && !self.asked_again => {
                    tracing::info!(%error, "asking again for the answer");
                    let mut again = call(&self.app.bus, &self.turn, &self.open, self.app.options.answer_idle).await?;
                    say(&mut again, &self.commit).await?;
                    self.call = again;
                    self.asked_again = true;
                    continue;
                }
                Err(error) => return Err(refused(error)),
            };
            let Some(frame) = frame else {
                return Err(Problem::new(ErrorCode::Internal, "the answer ended without an end"));
            };
            let Frame::Message(BrainOutput { output: Some(output) }) = frame else { continue };
            match output {
                brain_output::Output::TextChunk(chunk) if chunk.text.is_empty() => {}
                brain_output::Output::TextChunk(chunk) => {
                    self.begin();
                    self.answered += chunk.text.len();
                    self.record.text(&chunk.text).await;
                    return Ok(Piece::Text(chunk.text));
                }
                brain_output::Output::ToolCall(call) => {
                    self.begin();
                    if !call.id.is_empty() {
                        self.calls.push(call.id.clone());
                    }
                    return Ok(Piece::ToolCall(call));
                }
                brain_output::Output::Status(status) => self.record.status(status).await,
                brain_output::Output::ToolResult(result) => {
                    // Something was done: it must not be done again.
                    self.begun = true;
                    self.record.tool_result(result).await;
                }
                brain_output::Output::Usage(usage) => {
                    // One for each round of thinking; whoever pays, pays for all.
                    self.usage.input_tokens += usage.input_tokens;
                    self.usage.output_tokens += usage.output_tokens;
                }
                // Typed words are no guess.
                brain_output::Output::Held(_) => {}
                brain_output::Output::Done(done) => {
                    let usage = self.usage.clone();
                    return Ok(Piece::End { finish_reason: done.finish_reason, usage });
                }
            }
        }
    }

    fn begin(&mut self) {
        if self.calls.is_empty() && self.answered == self.turn.answered_before {
            self.app.latency.of_chat(self.arrived.elapsed());
        }
        self.begun = true;
    }
}

fn open(turn: &Turn, request: &Request, is_stored: bool) -> Open {
    Open {
        session_id: turn.session.to_string(),
        turn_id: turn.id.to_string(),
        generation: turn.generation,
        person_id: turn.person.as_ref().map(ToString::to_string).unwrap_or_default(),
        person_name: turn.person_name.clone(),
        modality: Modality::Text.into(),
        conversation: (!is_stored).then(|| Conversation { messages: request.messages.clone() }),
        sampling: Some(request.sampling.clone()),
        tools: request.tools.clone(),
        tool_choice: request.tool_choice.clone(),
        off_the_record: turn.off_the_record,
        ..Open::default()
    }
}

/// What was asked was checked here, field by field; what brain can't take of it is what the messages hold, unless it says
/// otherwise.
fn refused(error: Error) -> Problem {
    let is_askers_fault = error.code() == ErrorCode::InvalidArgument;
    let problem = Problem::from(error);
    if is_askers_fault { problem.at_least_at("messages") } else { problem }
}

/// A call that brain ended in the meantime says by itself why, when it is read.
async fn say(call: &mut Call<BrainInput, BrainOutput>, message: &BrainInput) -> Result<(), Error> {
    match call.send(message).await {
        Err(Error::Cancelled { .. }) => Ok(()),
        other => other,
    }
}

async fn call(
    bus: &Bus,
    turn: &Turn,
    open: &BrainInput,
    idle: Duration,
) -> Result<Call<BrainInput, BrainOutput>, Error> {
    let options = CallOptions { idle, ..CallOptions::default() };
    bus.call(&turn.context, subject::BRAIN_REQUEST, open, options).await
}
