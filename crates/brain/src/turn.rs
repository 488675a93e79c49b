//! One turn, from its opening to the end of its answer.
//!
//! While the person speaks ([`Turn::listen`]): the history is read once, memories are recalled as soon as there are words to
//! recall for, and the prompt so far is read into the server's cache. After `commit`, or on a guess that it will come
//! ([`Turn::answer`]): memories are recalled for the final words, and the answer is streamed as it is made (`rounds.rs`). A
//! guess is listened for its commit meanwhile (`commitment.rs`). Whatever ends the call aborts what runs on its behalf.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_bus::{CallEnded, Context, IncomingCall, Output};
use aether_llm::Message;
use aether_proto::{BrainInput, BrainOutput, Error, Modality, TurnId, brain_output};
use aether_store::{Exchange, TurnStatus};
use aether_telemetry::metric;
use futures::FutureExt as _;
use futures::future::ready;
use time::OffsetDateTime;
use tracing::{Instrument as _, debug, info, info_span};

use crate::commitment::{Commitment, never_made};
use crate::conversation;
use crate::draft::{Draft, Step};
use crate::history::History;
use crate::input::{Input, Opening, Words, invalid};
use crate::mind::Mind;
use crate::preparation::{Known, Recalled, load_history, read_ahead, recall};
use crate::prompt::{self, Prompt, shorten};
use crate::telling::Times;

/// Exchanges that a small model sees when it is offered a tool, and nothing that came to mind: the tool changes the prompt's
/// beginning, so that all of it is read anew, and what is asked for is in the last words. Beside memories it talks on instead.
const BRIEF_HISTORY: usize = 4;

pub type Call = IncomingCall<BrainInput, BrainOutput>;

/// Answers one `brain.request` call.
pub async fn serve(mind: Arc<Mind>, call: Call) -> Result<(), Error> {
    let opening = Opening::read(&call.context().tenant, &call.context().agent, call.open())?;
    if opening.given.has_images() && mind.options.vision_model.is_none() {
        return Err(invalid("images need a model that can see: set LLM_VISION_MODEL (llm.vision_model) to one"));
    }
    let span = info_span!(
        "turn",
        turn = %opening.turn,
        room = opening.room,
        generation = opening.generation,
        gen_ai.operation.name = "invoke_agent",
        gen_ai.agent.name = %opening.agent,
        gen_ai.conversation.id = %opening.session,
    );
    async {
        let Some(claim) = mind.generations.claim(opening.turn, opening.generation) else {
            return Err(stale(opening.generation));
        };
        let (superseded, over) = (claim.superseded(), call.cancelled());
        let generation = opening.generation;
        let turn = Turn {
            mind: Arc::clone(&mind),
            opening,
            context: call.context().clone(),
            output: call.output(),
            commitment: Commitment::default(),
            said: None,
            fits: mind.prompt_budget(),
        };
        tokio::select! {
            biased;
            () = superseded.cancelled() => Err(stale(generation)),
            () = over.cancelled() => Err(CallEnded.into()),
            result = turn.run(call) => result,
        }
    }
    .instrument(span)
    .await
}

fn stale(generation: u32) -> Error {
    metrics::counter!(metric::STALE, "what" => "brain_call").increment(1);
    invalid(format_args!("generation {generation} of this turn is over: a newer one has begun"))
}

pub struct Turn {
    pub mind: Arc<Mind>,
    pub opening: Opening,
    pub context: Context,
    pub output: Output<BrainOutput>,
    pub commitment: Commitment,
    /// What the person said, or is taken to have said, and what has been answered so far.
    pub said: Option<Exchange>,
    /// The most that a prompt may have, in bytes: less once the model has refused one.
    pub fits: usize,
}

/// All that the answer is made from.
pub struct Prepared {
    pub text: String,
    pub known: Known,
    pub recalled: Recalled,
    pub times: Times,
}

/// What [`Turn::listen`] found out before there was something to answer.
struct Heard {
    words: Words,
    history: Work<Known>,
    recalled: Option<Recalled>,
    prefill: Option<Work<()>>,
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
    async fn run(mut self, mut call: Call) -> Result<(), Error> {
        let _interactive = self.mind.gate.interactive();
        info!(words = self.opening.words.split_whitespace().count(), "turn opened");
        let Some(heard) = self.listen(&mut call).await? else { return Ok(()) };
        let (commitment, words, patience) =
            (self.commitment.clone(), heard.words.clone(), self.mind.options.open_limit);
        tokio::select! {
            biased;
            Err(error) = commitment.follow(&mut call, &words, patience) => Err(error),
            outcome = self.answer(heard) => outcome,
        }
    }

    /// Follows the person's words and prepares the answer, until they are committed or taken for all there are. `None` when
    /// the caller gave the turn up.
    async fn listen(&self, call: &mut Call) -> Result<Option<Heard>, Error> {
        let options = &self.mind.options;
        let mut draft = Draft::new(self.opening.generation, self.opening.words.clone(), options.prefill_pause);
        // Who brings the conversation along has no other history here. Its words are whole, too, so there is nothing to read
        // ahead: that would only keep them waiting.
        let brought = self.opening.given.messages.is_some();
        let mut loading = (!brought).then(|| load_history(Arc::clone(&self.mind), self.opening.clone()).boxed());
        let mut history = brought.then(Known::default);
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
            if let (Some(known), None, false) = (&history, &recalling, brought) {
                match draft.step(Instant::now()) {
                    Step::Read(words) => {
                        let messages = self.prompt(&known.history, recalled.as_ref(), &words, &[], false);
                        prefill = Some(read_ahead(Arc::clone(&self.mind), messages).boxed());
                        draft.begun(words, Instant::now());
                    }
                    Step::Wait(at) => look_again = Some(at),
                    Step::Nothing => {}
                }
            }

            tokio::select! {
                biased;
                frame = call.next() => {
                    let Some(frame) = frame else { return Ok(None) };
                    last_news = tokio::time::Instant::now();
                    let words = match Input::read(frame)? {
                        input if input.is_stale(draft.generation()) => continue,
                        Input::Update(words) => {
                            draft.update(words);
                            continue;
                        }
                        Input::Guess(words) | Input::Commit(words) if words.text.trim().is_empty() && !brought => {
                            return Err(invalid("a turn without words can't be answered: cancel it instead"));
                        }
                        Input::Guess(words) => {
                            debug!("an answer is begun on a guess");
                            words
                        }
                        Input::Commit(words) => {
                            self.commitment.make();
                            words
                        }
                    };
                    let history = loading.unwrap_or_else(|| ready(history.unwrap_or_default()).boxed());
                    return Ok(Some(Heard { words, history, recalled, prefill }));
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
                    return Err(never_made());
                }
            }
        }
    }

    /// Answers what the person said.
    async fn answer(&mut self, heard: Heard) -> Result<(), Error> {
        let Heard { words: Words { text, .. }, history, recalled, prefill } = heard;
        let brought = self.opening.given.messages.is_some();
        self.said = (!brought).then(|| Exchange {
            turn: self.opening.turn,
            person_id: self.opening.person.as_ref().map(ToString::to_string).unwrap_or_default(),
            person_name: self.opening.person_name.clone(),
            words: text.clone(),
            heard: String::new(),
            status: TurnStatus::Open,
            started_at: OffsetDateTime::now_utc(),
        });

        // All three at once; the reading-ahead is waited for because it holds the slot whose cache this prompt needs.
        let known = history.await;
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
        let (((known, (recalled, embed)), at), ()) = tokio::join!(prepare, reading);
        let recall = self.commitment.until(at);
        let times = Times { prepared: at, recall, embed: embed.min(recall) };
        let outcome = self.generate(Prepared { text, known, recalled, times }).await;
        self.keep();
        outcome
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
            Some(early) if late.failed || early.contains_all_of(&late) => {
                (Recalled { tool: late.tool, ..early }, embed)
            }
            _ => (late, embed),
        }
    }

    /// What the model is shown. `results` are what tools returned for these words; a brief prompt has little history, and no
    /// memories.
    pub fn prompt(
        &self,
        history: &History,
        recalled: Option<&Recalled>,
        words: &str,
        results: &[Message],
        brief: bool,
    ) -> Vec<Message> {
        let Opening { tenant, session, given, .. } = &self.opening;
        let options = &self.mind.options;
        let persona = match self.opening.modality {
            Modality::Text => &options.writing_persona,
            Modality::Voice | Modality::Unspecified => &options.persona,
        };
        let memories =
            recalled.filter(|_| !brief).and_then(|recalled| recalled.recollection.lines(self.opening.speaker()));
        let mut notes: Vec<_> = memories.as_deref().map(prompt::memories).into_iter().chain(results.to_vec()).collect();
        let fits = self.fits;
        let size = |notes: &[Message]| notes.iter().map(|note| note.content.len()).sum::<usize>();
        // The words come before what comes to mind with them, and so does a conversation that just fits.
        let room =
            given.messages.as_ref().map_or(fits / 2, |messages| fits.saturating_sub(conversation::size(messages)));
        if size(&notes) > room {
            notes = results.to_vec();
        }
        if let Some(messages) = &given.messages {
            return conversation::messages(messages, persona, notes);
        }
        let words = shorten(words, fits.saturating_sub(size(&notes)));
        let budget = fits.saturating_sub(words.len() + size(&notes));
        let mut shown = self.mind.sessions.show(tenant, *session, history, budget);
        if brief {
            shown.drain(..shown.len().saturating_sub(BRIEF_HISTORY));
        }
        let speaker = self.opening.label_speakers.then(|| self.opening.speaker());
        Prompt { persona, history: &shown, speaker, notes: &notes, words: &words }.messages()
    }

    pub async fn send(&self, output: brain_output::Output) -> Result<(), CallEnded> {
        self.output.send(&BrainOutput { output: Some(output) }).await
    }

    /// Lets the next turn of this session know of this one, whether or not its row is written by then. What was only
    /// guessed was not said.
    fn keep(&mut self) {
        if self.commitment.is_made()
            && let Some(said) = self.said.take()
        {
            let started_at = OffsetDateTime::now_utc() - self.commitment.elapsed();
            self.mind.sessions.keep(&self.opening.tenant, self.opening.session, Exchange { started_at, ..said });
        }
    }
}

/// A turn that is dropped where it stands, because its caller has gone, was still said if it was committed.
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

pub fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
