//! The answer: the model is asked, may ask for tools, gets what they return, and answers.
//!
//! A caller's own tools are passed on and end the turn: the caller runs them. The agent's are run here, in one of two ways.
//! With `always`, the model is trusted with tools as such: all are offered, calls and results become messages, and it may go
//! on for some rounds. With `relevant` it is taken for a small one, which answers from what is written before its eyes and
//! gets lost in more: at most the one tool that the words ask for is offered, and not even that where the words say all there
//! is to say (`Tool::arguments_for`). What the tool returned then stands in the ordinary prompt, which the server has in its
//! cache; and a deed is confirmed by the tool's own sentence, so that nothing is claimed that was not done.
//!
//! Where an answer is made on a guess, everything from the first tool on waits for the commit.
//!
//! A call that can't be used is told to the model once, with the reason. The next one is given up, aloud. No part of such a
//! call is ever run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_llm::{ChatRequest, Delta, FinishReason, Message, ToolCall, ToolCalls, ToolChoice, ToolSpec};
use aether_proto::{Error, ErrorCode, Status, ToolResult, TurnId, Usage, brain_output};
use aether_settings::OfferTools;
use aether_telemetry::metric;
use serde_json::Value;
use tracing::{Instrument as _, debug, info, info_span, warn};

use crate::commitment::Committed;
use crate::input::invalid;
use crate::mind::llm_error;
use crate::prompt;
use crate::telling::Telling;
use crate::tool::{self, Outcome, Surroundings, Tool};
use crate::turn::{Prepared, Turn, milliseconds};

/// The least that the model gets for its first token, however long the reading-ahead took.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);
/// How far a prompt is cut down for a model that refuses it, in bytes.
const SMALLEST_PROMPT: usize = 1024;
/// Calls that are looked at in one round.
const MAX_CALLS: usize = 8;
/// `message` is a sentence to say while a tool runs.
const LOOKING: &str = "looking";

/// Who runs what the model asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Callers,
    Own,
}

/// What the model asked for, once it had spoken.
struct Heard {
    calls: Vec<ToolCall>,
    malformed: Option<String>,
    finish: FinishReason,
}

/// Why the model has not answered.
enum Unanswered {
    /// It refused the prompt, and the next one is shorter.
    ShownTooMuch,
    Failed(Error),
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A call that can be run.
struct Wanted {
    id: String,
    tool: &'static dyn Tool,
    arguments: Value,
}

/// A call that can't.
struct Refused {
    id: String,
    name: String,
    /// As the model wrote it.
    written: String,
    reason: String,
}

impl Turn {
    /// Makes the answer to what was prepared.
    pub async fn respond(&mut self, telling: &mut Telling, prepared: &mut Prepared) -> Result<FinishReason, Error> {
        let given = Arc::clone(&self.opening.given);
        let finish = if given.tools.is_empty() {
            self.think(telling, prepared).await?
        } else {
            let shown = |turn: &Self| turn.messages(prepared, &[], false);
            self.ask(telling, shown, &given.tools, Whose::Callers).await?.finish
        };
        if telling.is_silent() && !given.may_be_answered_with_nothing() {
            return Err(ErrorCode::LlmUnavailable.error("the language model answered with nothing; ask again"));
        }
        Ok(finish)
    }

    /// Answers, with the agent's own tools where they help.
    async fn think(&mut self, telling: &mut Telling, prepared: &mut Prepared) -> Result<FinishReason, Error> {
        let small = self.mind.options.tools == OfferTools::Relevant;
        let mut offered = self.offered(prepared);
        let mut results = Vec::new();
        if small
            && let [tool] = offered.as_slice()
            && let Some(arguments) = tool.arguments_for(&prepared.text)
        {
            let tool = *tool;
            offered.clear();
            let shown = prepared.known.turns(self.opening.turn);
            let committed = self.until_committed(telling).await?;
            let outcome = self.run_tool(tool, "", &arguments, &shown, committed).await?;
            if let Some(answer) = &outcome.answer {
                self.tell(telling, answer).await?;
                return Ok(FinishReason::Stop);
            }
            if outcome.ok && !outcome.text.is_empty() {
                results.push(prompt::tool_result(tool.name(), &outcome.text));
                if tool.name() == "recall" {
                    // It found these and more.
                    prepared.recalled.recollection = aether_memory::Recollection::default();
                }
            }
        }

        let mut exchanged = Vec::new();
        let mut mended = false;
        let mut rounds = 0;
        loop {
            let shown = |turn: &Self| {
                let mut messages = turn.messages(prepared, &results, small && !offered.is_empty());
                messages.extend_from_slice(&exchanged);
                messages
            };
            let tools: Vec<_> = offered.iter().map(|tool| spec(*tool)).collect();
            let heard = self.ask(telling, shown, &tools, Whose::Own).await?;
            if heard.calls.is_empty() && heard.malformed.is_none() {
                return Ok(heard.finish);
            }
            let committed = self.until_committed(telling).await?;
            telling.pause = true;
            if rounds >= self.mind.options.tool_rounds {
                self.tell(telling, "Sorry, I did not get that done.").await?;
                return Ok(FinishReason::Stop);
            }

            let (calls, refused) = read_calls(&offered, &heard);
            if let Some(refused) = refused.first()
                && !mended
            {
                // Said back in the form in which the model is at home: text.
                debug!(reason = refused.reason, "a call can't be used; the model may mend it");
                mended = true;
                exchanged.push(Message::assistant(&refused.written));
                exchanged.push(Message::system(complaint(&offered, &refused.reason)));
                continue;
            }
            rounds += 1;
            if let Some(Refused { id, name, reason, .. }) = refused.first() {
                let apology = tool::named(name).or(offered.first().copied());
                let apology = apology.map_or("Sorry, I could not do that.", Tool::apology);
                let outcome = Outcome::failed(format!("the call could not be used: {reason}"), apology);
                warn!(tool = name, "the model's call could not be used");
                self.report(id, name, &outcome, committed).await?;
                self.tell(telling, apology).await?;
                return Ok(FinishReason::Stop);
            }

            let shown = prepared.known.turns(self.opening.turn);
            if !small {
                exchanged.push(Message::asking(heard.calls.into_iter().take(MAX_CALLS).collect()));
            }
            for Wanted { id, tool, arguments } in calls {
                let outcome = self.run_tool(tool, &id, &arguments, &shown, committed).await?;
                let text = if outcome.text.is_empty() { "Nothing was found." } else { &outcome.text };
                if !small {
                    exchanged.push(Message::returned(id, text));
                    continue;
                }
                if let Some(answer) = &outcome.answer {
                    self.tell(telling, answer).await?;
                    return Ok(FinishReason::Stop);
                }
                results.push(prompt::tool_result(tool.name(), text));
            }
            if small {
                offered.clear();
                exchanged.clear();
            }
        }
    }

    /// The agent's own tools that the model may ask for in this turn.
    fn offered(&self, prepared: &Prepared) -> Vec<&'static dyn Tool> {
        if self.opening.given.tool_choice == ToolChoice::None {
            return Vec::new();
        }
        match self.mind.options.tools {
            OfferTools::Never => Vec::new(),
            OfferTools::Relevant => prepared.recalled.tool.into_iter().collect(),
            OfferTools::Always => {
                let has_person = self.opening.person.is_some();
                tool::ALL.into_iter().filter(|tool| has_person || !tool.needs_person()).collect()
            }
        }
    }

    fn messages(&self, prepared: &Prepared, results: &[Message], brief: bool) -> Vec<Message> {
        let Prepared { text, known, recalled, .. } = prepared;
        self.prompt(&known.history, Some(recalled), text, results, brief)
    }

    /// Asks the model. How much it can hold of a text only its server knows: one that refuses is shown less.
    async fn ask(
        &mut self,
        telling: &mut Telling,
        shown: impl Fn(&Self) -> Vec<Message> + Send + Sync,
        tools: &[ToolSpec],
        whose: Whose,
    ) -> Result<Heard, Error> {
        loop {
            match self.ask_once(telling, shown(self), tools.to_vec(), whose).await {
                Ok(heard) => return Ok(heard),
                Err(Unanswered::ShownTooMuch) => {}
                Err(Unanswered::Failed(error)) => return Err(error),
            }
        }
    }

    /// What the model says is told as it comes; calls of a caller's tools are passed on, others returned.
    async fn ask_once(
        &mut self,
        telling: &mut Telling,
        messages: Vec<Message>,
        tools: Vec<ToolSpec>,
        whose: Whose,
    ) -> Result<Heard, Unanswered> {
        let given = Arc::clone(&self.opening.given);
        let options = &self.mind.options;
        let model = given.has_images().then(|| options.vision_model.clone()).flatten();
        let first_token = self.mind.llm.options().deadlines.first_token;
        let since_commit = self.commitment.elapsed();
        // A later round has the model's whole patience again.
        let waited = if telling.pause { Duration::ZERO } else { since_commit };
        let names: Vec<_> = tools.iter().map(|tool| tool.name.clone()).collect();
        let request = ChatRequest {
            model: model.clone(),
            tools,
            tool_choice: if whose == Whose::Callers { given.tool_choice.clone() } else { ToolChoice::Auto },
            max_tokens: given.max_output_tokens.unwrap_or(options.max_output_tokens),
            temperature: Some(given.temperature.unwrap_or(options.temperature)),
            top_p: given.top_p,
            seed: given.seed,
            stop: given.stop.clone(),
            total: self.context.deadline().map(|deadline| deadline.saturating_sub(since_commit)),
            first_token: Some(first_token.saturating_sub(waited).max(SHORTEST_PATIENCE)),
            ..ChatRequest::new(messages)
        };
        let model = model.unwrap_or_else(|| self.mind.llm.options().model.clone());
        let mut completion = self.mind.llm.chat(request, self.output.cancelled());
        let (mut own, mut unknown, mut malformed) = (ToolCalls::default(), ToolCalls::default(), None);
        let mut unknown_indices = Vec::new();
        let is_forced = matches!(given.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
        let finish = loop {
            let delta = match completion.next().await {
                Some(Ok(delta)) => delta,
                Some(Err(error)) => return Err(self.unanswered(&error)),
                None => return Err(ErrorCode::Internal.error("the answer ended without an end").into()),
            };
            match delta {
                // What a model says after it has asked, before it knows, is made up.
                Delta::Text(_) if !own.is_empty() || malformed.is_some() || telling.called => {}
                Delta::Text(text) => self.tell(telling, &text).await?,
                Delta::Thinking(_) => {}
                Delta::ToolCall(piece) if whose == Whose::Own => own.push(piece),
                // Who must ask for one is often too eager.
                Delta::ToolCall(piece) if piece.index > 0 && is_forced => {}
                Delta::ToolCall(piece) => {
                    if piece.name.as_ref().is_some_and(|name| !names.contains(name)) {
                        unknown_indices.push(piece.index);
                    }
                    if unknown_indices.contains(&piece.index) {
                        unknown.push(piece);
                    } else {
                        self.pass_on(telling, piece).await?;
                    }
                }
                Delta::MalformedCall(text) if whose == Whose::Own => malformed = Some(text),
                Delta::MalformedCall(_) if telling.called => {}
                Delta::MalformedCall(text) => self.tell(telling, &text).await?,
                Delta::Usage(usage) => {
                    debug!(input = usage.input_tokens, cached = ?usage.cached_input_tokens, "prompt read");
                    let sum = telling.usage.get_or_insert_with(|| Usage { model: model.clone(), ..Usage::default() });
                    sum.input_tokens += usage.input_tokens;
                    sum.output_tokens += usage.output_tokens;
                }
                Delta::Done(reason) => break reason,
            }
        };
        // A function that the caller doesn't have can't be called: what is left are words.
        for call in unknown.finish() {
            self.tell(telling, &written(&call)).await?;
        }
        let finish = match (whose, finish) {
            (Whose::Callers, FinishReason::Length) => FinishReason::Length,
            (Whose::Callers, _) if telling.called => FinishReason::ToolCalls,
            (_, FinishReason::ToolCalls) => FinishReason::Stop,
            (_, reason) => reason,
        };
        Ok(Heard { calls: own.finish(), malformed, finish })
    }

    fn unanswered(&mut self, error: &aether_llm::Error) -> Unanswered {
        let is_refused = error.fault_of_the_request().is_some();
        // A conversation that was brought along is its caller's to shorten.
        if is_refused && self.opening.given.messages.is_none() && self.fits / 2 >= SMALLEST_PROMPT {
            self.fits /= 2;
            debug!(fits = self.fits, "the language model refused the prompt and is shown less");
            return Unanswered::ShownTooMuch;
        }
        Unanswered::Failed(self.failed(error))
    }

    /// What the caller is told of a model that did not answer.
    fn failed(&self, error: &aether_llm::Error) -> Error {
        let failed = llm_error(error);
        warn!(code = failed.code, "the language model did not answer");
        // A server's own words may quote what it was asked.
        debug!(error = failed.message, "why the language model did not answer");
        match error.fault_of_the_request() {
            // Of what the caller brought along, the caller can mend what is wrong.
            Some(message) if self.opening.given.messages.is_some() => {
                let field = self.opening.given.faulty_schema().unwrap_or_default();
                Error { field, ..invalid(format_args!("the language model refused this: {message}")) }
            }
            _ => failed,
        }
    }

    /// Runs a tool within its deadline and says what became of it.
    async fn run_tool(
        &self,
        tool: &'static dyn Tool,
        id: &str,
        arguments: &Value,
        shown: &[TurnId],
        committed: Committed,
    ) -> Result<Outcome, Error> {
        if let Some(sentence) = tool.meanwhile() {
            let status = Status { code: LOOKING.to_owned(), message: sentence.to_owned() };
            self.send(brain_output::Output::Status(status)).await?;
        }
        let began = Instant::now();
        let memory = self.mind.memory.get();
        let around = Surroundings { opening: &self.opening, memory: memory.as_ref(), jobs: &self.mind.jobs, shown };
        let span = info_span!(
            "execute_tool",
            otel.name = format!("execute_tool {}", tool.name()),
            gen_ai.operation.name = "execute_tool",
            "gen_ai.tool.type" = "function",
            gen_ai.tool.name = tool.name(),
            gen_ai.tool.call.id = id,
        );
        let run = tool.run(around, arguments).instrument(span);
        let outcome = tokio::time::timeout(self.mind.options.tool_deadline, run).await;
        let outcome = outcome.unwrap_or_else(|_| Outcome::failed("it took too long", tool.apology()));
        if !outcome.gone.is_empty() {
            self.mind.sessions.forget(&self.opening.tenant, self.opening.session, &outcome.gone);
        }
        metrics::counter!(metric::TOOL_CALLS, "tool" => tool.name(), "outcome" => if outcome.ok { "ok" } else { "failed" })
            .increment(1);
        info!(tool = tool.name(), ok = outcome.ok, ms = milliseconds(began.elapsed()), "a tool has run");
        self.report(id, tool.name(), &outcome, committed).await?;
        Ok(outcome)
    }

    async fn report(&self, id: &str, name: &str, outcome: &Outcome, _: Committed) -> Result<(), Error> {
        let result = ToolResult {
            call_id: id.to_owned(),
            name: name.to_owned(),
            ok: outcome.ok,
            summary: outcome.summary.clone(),
        };
        Ok(self.send(brain_output::Output::ToolResult(result)).await?)
    }
}

fn spec(tool: &dyn Tool) -> ToolSpec {
    ToolSpec { name: tool.name().to_owned(), description: tool.description().to_owned(), parameters: tool.parameters() }
}

/// Calls that can be run, and those that can't.
fn read_calls(offered: &[&'static dyn Tool], heard: &Heard) -> (Vec<Wanted>, Vec<Refused>) {
    let (mut wanted, mut refused) = (Vec::new(), Vec::new());
    for call in heard.calls.iter().take(MAX_CALLS) {
        let tool = offered.iter().find(|tool| tool.name() == call.name);
        let read = tool.ok_or_else(|| format!("there is no function {:?}", call.name)).and_then(|tool| {
            let arguments = tool::read_arguments(*tool, &call.arguments)?;
            Ok(Wanted { id: call.id.clone(), tool: *tool, arguments })
        });
        match read {
            Ok(call) => wanted.push(call),
            Err(reason) => {
                let (id, name) = (call.id.clone(), call.name.clone());
                refused.push(Refused { id, name, written: written(call), reason });
            }
        }
    }
    if let Some(text) = &heard.malformed {
        let name = offered.first().map_or("", |tool| tool.name()).to_owned();
        let reason = "it is not JSON with \"name\" and \"arguments\"".to_owned();
        refused.push(Refused { id: String::new(), name, written: text.clone(), reason });
    }
    (wanted, refused)
}

/// A call as small models write it.
fn written(call: &ToolCall) -> String {
    let arguments = serde_json::from_str(&call.arguments).unwrap_or(Value::String(call.arguments.clone()));
    serde_json::json!({ "name": call.name, "arguments": arguments }).to_string()
}

fn complaint(offered: &[&'static dyn Tool], reason: &str) -> String {
    let names: Vec<_> = offered.iter().map(|tool| tool.name()).collect();
    format!(
        "This call can't be used: {reason}. Write it again as JSON with \"name\" ({}) and \"arguments\", and nothing else.",
        names.join(", ")
    )
}
