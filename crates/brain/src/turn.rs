//! One turn, from its opening to the end of its answer.
//!
//! While the person speaks ([`Turn::listen`]): the history is read once, memories are recalled as soon as there are words to
//! recall for, and the prompt so far is read into the server's cache. After `commit` ([`Turn::answer`]): memories are recalled
//! for the final words, and the answer is streamed as it is made. Whatever ends the call aborts what runs on its behalf.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_bus::{CallEnded, IncomingCall};
use aether_llm::{ChatRequest, Delta, Message};
use aether_proto::{
    BrainInput, BrainOutput, Commit, Done, Error, ErrorCode, Status, TextChunk, TurnId, Update, Usage, brain_output,
};
use aether_store::{Exchange, TurnStatus};
use aether_telemetry::metric;
use futures::FutureExt as _;
use time::OffsetDateTime;
use tracing::{Instrument as _, debug, info, info_span, warn};

use crate::draft::{Draft, Step};
use crate::history::History;
use crate::input::{Input, Opening, invalid};
use crate::mind::{Mind, llm_error};
use crate::preparation::{Known, Recalled, load_history, read_ahead, recall};
use crate::prompt::Prompt;

/// Told once in a session, when an answer is made without what was said before.
const MEMORY_UNAVAILABLE: &str = "memory_unavailable";
/// The least that the model gets for its first token, however long the reading-ahead took.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);

pub type Call = IncomingCall<BrainInput, BrainOutput>;

/// Answers one `brain.request` call.
pub async fn serve(mind: Arc<Mind>, call: Call) -> Result<(), Error> {
    let opening = Opening::read(&call.context().tenant, &call.context().agent, call.open())?;
    let span = info_span!("turn", turn = %opening.turn, room = opening.room, generation = opening.generation);
    async {
        let Some(claim) = mind.generations.claim(opening.turn, opening.generation) else {
            return Err(stale(opening.generation));
        };
        let (superseded, over) = (claim.superseded(), call.cancelled());
        let generation = opening.generation;
        let turn = Turn { mind: Arc::clone(&mind), opening, call, said: None };
        tokio::select! {
            biased;
            () = superseded.cancelled() => Err(stale(generation)),
            () = over.cancelled() => Err(CallEnded.into()),
            result = turn.run() => result,
        }
    }
    .instrument(span)
    .await
}

fn stale(generation: u32) -> Error {
    metrics::counter!(metric::STALE, "what" => "brain_call").increment(1);
    invalid(format_args!("generation {generation} of this turn is over: a newer one has begun"))
}

struct Turn {
    mind: Arc<Mind>,
    opening: Opening,
    call: Call,
    /// Once committed: what the person said and what has been answered so far.
    said: Option<Exchange>,
}

/// What [`Turn::listen`] found out before the commit.
struct Heard {
    text: String,
    history: Option<Known>,
    recalled: Option<Recalled>,
    prefill: Option<Work<()>>,
    at: Instant,
}

/// When the answer's preparation got where.
#[derive(Clone, Copy)]
struct Times {
    committed: Instant,
    /// All is known that the prompt needs. From here on it is the model that takes its time.
    prepared: Instant,
    recall_ms: u32,
    /// What the embedding model took of it.
    embed: Duration,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Waits for work if there is any; its result is returned once.
async fn finished<T>(work: &mut Option<Work<T>>) -> T {
    let Some(running) = work else { return pending().await };
    let result = running.await;
    *work = None;
    result
}

impl Turn {
    async fn run(mut self) -> Result<(), Error> {
        let _interactive = self.mind.gate.interactive();
        info!(words = self.opening.words.split_whitespace().count(), "turn opened");
        let Some(heard) = self.listen().await? else { return Ok(()) };
        self.answer(heard).await
    }

    /// Follows the person's words and prepares the answer. `None` when the caller gave the turn up.
    async fn listen(&mut self) -> Result<Option<Heard>, Error> {
        let options = &self.mind.options;
        let mut draft = Draft::new(self.opening.generation, self.opening.words.clone(), options.prefill_pause);
        let mut loading = Some(load_history(Arc::clone(&self.mind), self.opening.clone()).boxed());
        let mut history: Option<Known> = None;
        let mut recalling: Option<Work<Recalled>> = None;
        let mut recalled: Option<Recalled> = None;
        let mut prefill: Option<Work<()>> = None;
        let mut last_news = tokio::time::Instant::now();

        loop {
            if let Some(known) = &history
                && recalled.is_none()
                && recalling.is_none()
                && draft.is_enough_to_recall()
            {
                let (words, shown) = (draft.words().to_owned(), known.turns(self.opening.turn));
                recalling = Some(recall(Arc::clone(&self.mind), self.opening.clone(), words, shown).boxed());
            }
            let mut look_again = None;
            // What is recalled stands before the words, so there is no use in reading words ahead while it is looked for.
            if let (Some(known), None) = (&history, &recalling) {
                match draft.step(Instant::now()) {
                    Step::Read(words) => {
                        let messages = self.prompt(&known.history, recalled.as_ref(), &words);
                        prefill = Some(read_ahead(Arc::clone(&self.mind), messages).boxed());
                        draft.begun(words, Instant::now());
                    }
                    Step::Wait(at) => look_again = Some(at),
                    Step::Nothing => {}
                }
            }

            tokio::select! {
                biased;
                frame = self.call.next() => {
                    let Some(frame) = frame else { return Ok(None) };
                    last_news = tokio::time::Instant::now();
                    match Input::read(frame)? {
                        Input::Update(Update { generation, words }) => {
                            if !draft.update(generation, words) {
                                metrics::counter!(metric::STALE, "what" => "brain_update").increment(1);
                            }
                        }
                        Input::Commit(Commit { generation, .. }) if generation < draft.generation() => {
                            metrics::counter!(metric::STALE, "what" => "brain_commit").increment(1);
                        }
                        Input::Commit(Commit { text, .. }) => {
                            let at = Instant::now();
                            if let Some(loading) = loading {
                                history = Some(loading.await);
                            }
                            return Ok(Some(Heard { text, history, recalled, prefill, at }));
                        }
                    }
                }
                known = finished(&mut loading) => history = Some(known),
                found = finished(&mut recalling) => {
                    if !found.recollection.memories.is_empty() {
                        draft.forget_shown();
                    }
                    recalled = Some(found);
                }
                () = finished(&mut prefill) => draft.ended(),
                () = wait_until(look_again) => {}
                () = tokio::time::sleep_until(last_news + self.mind.options.open_limit) => {
                    return Err(ErrorCode::DeadlineExceeded.error("the turn was opened and never committed"));
                }
            }
        }
    }

    /// Answers what the person said.
    async fn answer(&mut self, heard: Heard) -> Result<(), Error> {
        let Heard { text, history, recalled, prefill, at } = heard;
        let known = history.unwrap_or(Known { history: History::default(), failed: true });
        self.said = Some(Exchange {
            turn: self.opening.turn,
            person_id: self.opening.person.as_ref().map(ToString::to_string).unwrap_or_default(),
            person_name: self.opening.person_name.clone(),
            words: text.clone(),
            heard: String::new(),
            status: TurnStatus::Open,
            started_at: OffsetDateTime::now_utc(),
        });

        // All three at once; the reading-ahead is waited for because it holds the slot whose cache this prompt needs.
        let shown = known.turns(self.opening.turn);
        let prepare = async {
            let prepared = tokio::join!(self.history_at_last(known), self.recall_at_last(recalled, &text, shown));
            (prepared, Instant::now())
        };
        let reading = async {
            if let Some(prefill) = prefill {
                prefill.await;
            }
        };
        let (((known, (recalled, embed)), prepared_at), ()) = tokio::join!(prepare, reading);
        let recall_ms = milliseconds(prepared_at - at);
        if (known.failed || recalled.failed)
            && self.mind.sessions.tell_once(&self.opening.tenant, self.opening.session, MEMORY_UNAVAILABLE)
        {
            let message = "I can't remember our earlier conversations right now.".to_owned();
            self.send(brain_output::Output::Status(Status { code: MEMORY_UNAVAILABLE.to_owned(), message })).await?;
        }
        let messages = self.prompt(&known.history, Some(&recalled), &text);
        let outcome = self.generate(messages, Times { committed: at, prepared: prepared_at, recall_ms, embed }).await;
        self.keep();
        outcome
    }

    async fn generate(&mut self, messages: Vec<Message>, times: Times) -> Result<(), Error> {
        let options = &self.mind.options;
        let first_token = self.mind.llm.options().deadlines.first_token;
        let request = ChatRequest {
            max_tokens: options.max_output_tokens,
            temperature: Some(options.temperature),
            total: self.call.context().deadline(),
            first_token: Some(first_token.saturating_sub(times.committed.elapsed()).max(SHORTEST_PATIENCE)),
            ..ChatRequest::new(messages)
        };
        let mut completion = self.mind.llm.chat(request, self.call.cancelled());
        let mut index = 0;
        let mut done =
            Done { recall_ms: times.recall_ms, model_embed_us: microseconds(times.embed), ..Done::default() };
        let finish_reason = loop {
            let delta = match completion.next().await {
                Some(Ok(delta)) => delta,
                Some(Err(error)) => {
                    let failed = llm_error(&error);
                    warn!(code = failed.code, "the language model did not answer");
                    // A server's own words may quote what it was asked.
                    debug!(error = failed.message, "why the language model did not answer");
                    return Err(failed);
                }
                None => return Err(ErrorCode::Internal.error("the answer ended without an end")),
            };
            match delta {
                Delta::Text(text) => {
                    // Models like to begin with a blank; nobody can say one.
                    let text = if index == 0 { text.trim_start() } else { &text };
                    if text.is_empty() {
                        continue;
                    }
                    if index == 0 {
                        done.first_token_ms = milliseconds(times.committed.elapsed());
                        done.model_first_token_us = microseconds(times.prepared.elapsed());
                    }
                    if let Some(said) = &mut self.said {
                        said.heard.push_str(text);
                    }
                    self.send(brain_output::Output::TextChunk(TextChunk { index, text: text.to_owned() })).await?;
                    index += 1;
                }
                Delta::Thinking(_) => {}
                Delta::Usage(usage) => {
                    debug!(input = usage.input_tokens, cached = ?usage.cached_input_tokens, "prompt read");
                    let usage = Usage {
                        model: self.mind.llm.options().model.clone(),
                        input_tokens: usage.input_tokens,
                        output_tokens: usage.output_tokens,
                    };
                    self.send(brain_output::Output::Usage(usage)).await?;
                }
                Delta::Done(reason) => break reason,
            }
        };
        if index == 0 {
            return Err(ErrorCode::LlmUnavailable.error("the language model answered with nothing; ask again"));
        }
        done.finish_reason = finish_reason.as_str().to_owned();
        done.total_ms = milliseconds(times.committed.elapsed());
        let Done { recall_ms, first_token_ms, total_ms, .. } = done;
        info!(recall_ms, first_token_ms, total_ms, chunks = index, "turn answered");
        self.send(brain_output::Output::Done(done)).await?;
        Ok(())
    }

    /// Looks again at a history that was not final at the opening: what was heard of the last answer may be known by now.
    async fn history_at_last(&self, known: Known) -> Known {
        if !known.history.provisional {
            return known;
        }
        let again = load_history(Arc::clone(&self.mind), self.opening.clone()).await;
        if again.failed { known } else { again }
    }

    /// Looks again with all the words. What was found with fewer stays, if nothing new comes to mind: it is in the server's
    /// cache already. With it, how long the embedding model was waited for.
    async fn recall_at_last(&self, early: Option<Recalled>, text: &str, shown: Vec<TurnId>) -> (Recalled, Duration) {
        let early = early.filter(|early| !early.failed);
        if let Some(early) = early.as_ref().filter(|early| early.is_for(text)) {
            return (early.clone(), Duration::ZERO);
        }
        let late = recall(Arc::clone(&self.mind), self.opening.clone(), text.to_owned(), shown).await;
        let embed = late.recollection.embed;
        match early {
            Some(early) if late.failed || early.contains_all_of(&late) => (early, embed),
            _ => (late, embed),
        }
    }

    fn prompt(&self, history: &History, recalled: Option<&Recalled>, words: &str) -> Vec<Message> {
        let memories = recalled.and_then(|recalled| recalled.recollection.lines());
        let Opening { tenant, session, .. } = &self.opening;
        let budget = self.mind.history_budget(words.len() + memories.as_ref().map_or(0, String::len));
        let shown = self.mind.sessions.show(tenant, *session, history, budget);
        Prompt { persona: &self.mind.options.persona, history: &shown, memories: memories.as_deref(), words }.messages()
    }

    async fn send(&self, output: brain_output::Output) -> Result<(), CallEnded> {
        self.call.send(&BrainOutput { output: Some(output) }).await
    }

    /// Lets the next turn of this session know of this one, whether or not its row is written by then.
    fn keep(&mut self) {
        if let Some(said) = self.said.take() {
            self.mind.sessions.keep(&self.opening.tenant, self.opening.session, said);
        }
    }
}

/// A turn that is dropped where it stands, because its caller has gone, was still said.
impl Drop for Turn {
    fn drop(&mut self) {
        self.keep();
    }
}

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn microseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
