//! One conversation in one place: drives the floor machine and carries out what it decides.
//!
//! Everything that happens arrives in one loop ([`Shell::run`]), becomes a floor event, and comes back as effects
//! ([`Shell::apply`]). No effect waits for anything but queues with room.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aether_bus::{Bus, Context, TurnLog};
use aether_proto::{
    AgentStateEvent, Commit, ErrorCode, InterruptedEvent, Modality, Open, PersonId, RoomName, StatusEvent, StreamEnd,
    TextEvent, TranscriptEvent, TurnMetrics, UserCommitted, client_event,
};
use aether_telemetry::metric;
use aether_turn::Generation;
use aether_turn::floor::{self, CancelReason, Deadline, Floor, LaneId, Phase};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::answer::{self, Answer, Source};
use crate::journal::Journal;
use crate::lane::{self, Ears, LaneInput, Report, Timing};
use crate::media::{Caption, MediaEnd, Participant};
use crate::playout::{self, Playout};
use crate::turn::Turn;

/// How long the floor waits for what.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Speech over the agent's own that lasts so long stops it.
    pub barge_in: Duration,
    /// Silence after a shorter overlap until the agent is loud again.
    pub resume: Duration,
    /// An answer that is not heard by then is given up and the person told.
    pub answer: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            barge_in: Duration::from_millis(400),
            resume: Duration::from_millis(250),
            answer: Duration::from_secs(40),
        }
    }
}

/// What a session is about.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tenant, agent and session of everything that is said here.
    pub context: Context,
    pub room: RoomName,
    /// A voice's name; empty for the default of tts.
    pub voice: String,
    pub lane: lane::Options,
    pub policy: Policy,
}

/// What a session works with.
#[derive(Clone)]
pub struct Parts {
    pub bus: Bus,
    pub turn_log: TurnLog,
    pub ears: Ears,
}

/// Somebody in the place, and who that is to the agent.
#[derive(Debug, Clone)]
pub struct Guest {
    pub participant: Participant,
    pub person: PersonId,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("somebody else has the floor: ask again when the agent is listening")]
    Busy,
    #[error("the session has ended")]
    Ended,
}

enum Command {
    Listen(Guest, oneshot::Sender<LaneInput>),
    Typed(Guest, String),
    Say(String, oneshot::Sender<Result<(), Refused>>),
    Interrupt,
}

/// A hold on a running session. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    phase: tokio::sync::watch::Receiver<Phase>,
}

impl Handle {
    /// Opens a lane for a participant's microphone.
    pub async fn listen(&self, guest: Guest) -> Result<LaneInput, Refused> {
        let (reply, input) = oneshot::channel();
        self.send(Command::Listen(guest, reply)).await?;
        input.await.map_err(|_| Refused::Ended)
    }

    /// Words that a participant wrote instead of speaking.
    pub async fn typed(&self, guest: Guest, text: String) -> Result<(), Refused> {
        self.send(Command::Typed(guest, text)).await
    }

    /// Has the agent say something by itself, if nobody else has the floor.
    pub async fn say(&self, text: String) -> Result<(), Refused> {
        let (reply, outcome) = oneshot::channel();
        self.send(Command::Say(text, reply)).await?;
        outcome.await.map_err(|_| Refused::Ended)?
    }

    /// Silences the agent.
    pub async fn interrupt(&self) -> Result<(), Refused> {
        self.send(Command::Interrupt).await
    }

    /// What the agent is doing, as it changes.
    pub fn phase(&self) -> tokio::sync::watch::Receiver<Phase> {
        self.phase.clone()
    }

    async fn send(&self, command: Command) -> Result<(), Refused> {
        self.commands.send(command).await.map_err(|_| Refused::Ended)
    }
}

/// Starts a session; it runs until `shutdown`, or until the place is gone.
pub fn start(
    options: Options,
    parts: Parts,
    media: Arc<dyn MediaEnd>,
    shutdown: CancellationToken,
) -> (Handle, tokio::task::JoinHandle<()>) {
    let (commands, commands_in) = mpsc::channel(64);
    let (reports, reports_in) = mpsc::channel(256);
    let (answers, answers_in) = mpsc::channel(256);
    let (playout_events, playout_in) = mpsc::channel(1024);
    let (phase, phase_out) = tokio::sync::watch::channel(Phase::Listening);
    let shell = Shell {
        journal: Journal::start(parts.bus.clone(), parts.turn_log.clone(), Arc::clone(&media), options.room.clone()),
        playout: Playout::start(media, playout_events),
        floor: Floor::new(),
        turn: None,
        seats: HashMap::new(),
        next_lane: 0,
        armed: None,
        reports,
        answers,
        phase,
        options,
        parts,
    };
    let inputs = Inputs { commands: commands_in, reports: reports_in, answers: answers_in, playout: playout_in };
    let running = tokio::spawn(shell.run(inputs, shutdown));
    (Handle { commands, phase: phase_out }, running)
}

struct Inputs {
    commands: mpsc::Receiver<Command>,
    reports: mpsc::Receiver<(LaneId, Report)>,
    answers: mpsc::Receiver<answer::Event>,
    playout: mpsc::Receiver<playout::Event>,
}

/// A participant's place in the conversation, for speech and typing alike.
struct Seat {
    guest: Guest,
    /// Utterances finished so far; numbers the captions.
    utterances: u32,
}

struct Shell {
    options: Options,
    parts: Parts,
    journal: Journal,
    playout: Playout,
    floor: Floor,
    /// The turn that is alive; the floor sees to it that there is one at most.
    turn: Option<Turn>,
    seats: HashMap<LaneId, Seat>,
    next_lane: u32,
    armed: Option<(Deadline, Generation, Instant)>,
    reports: mpsc::Sender<(LaneId, Report)>,
    answers: mpsc::Sender<answer::Event>,
    phase: tokio::sync::watch::Sender<Phase>,
}

impl Shell {
    async fn run(mut self, mut inputs: Inputs, shutdown: CancellationToken) {
        self.journal.phase(Phase::Listening);
        loop {
            let armed = self.armed;
            // Each arm only receives. Biased: how the text of an answer ended is known before its last frame is reported.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some((lane, report)) = inputs.reports.recv() => self.reported(lane, report).await,
                Some(event) = inputs.answers.recv() => self.answered(event).await,
                Some(event) = inputs.playout.recv() => {
                    if !self.played(event).await {
                        break;
                    }
                }
                Some(command) = inputs.commands.recv() => self.commanded(command).await,
                (deadline, generation) = elapsed(armed) => {
                    self.armed = None;
                    self.step(floor::Event::DeadlineReached { deadline, armed: generation }).await;
                }
            }
        }
        // What was under way ends in the log, so that nothing stays open for ever.
        self.step(floor::Event::Interrupt).await;
    }

    async fn commanded(&mut self, command: Command) {
        match command {
            Command::Listen(guest, reply) => {
                let lane = self.lane_of(guest);
                let input = lane::start(lane, &self.parts.ears, self.options.lane.clone(), self.reports.clone());
                // A caller who did not wait drops the lane with its input.
                let _ = reply.send(input);
            }
            Command::Typed(guest, text) => {
                let lane = self.lane_of(guest);
                self.step(floor::Event::Said { lane, text }).await;
            }
            Command::Say(text, reply) => {
                let effects = self.floor.next(floor::Event::Say { text });
                let busy = effects.contains(&floor::Effect::Busy);
                self.apply_all(effects, None).await;
                let _ = reply.send(if busy { Err(Refused::Busy) } else { Ok(()) });
            }
            Command::Interrupt => self.step(floor::Event::Interrupt).await,
        }
    }

    async fn reported(&mut self, lane: LaneId, report: Report) {
        match report {
            Report::Began => self.step(floor::Event::Began { lane }).await,
            Report::Ended => self.step(floor::Event::Ended { lane }).await,
            Report::Draft { text } => {
                self.transcript(lane, &text, false);
                self.step(floor::Event::Draft { lane, text }).await;
            }
            Report::Withdrawn | Report::Nothing => self.step(floor::Event::Withdrawn { lane }).await,
            Report::Said { text, timing } => {
                self.transcript(lane, &text, true);
                let effects = self.floor.next(floor::Event::Said { lane, text });
                self.apply_all(effects, Some(timing)).await;
            }
            Report::Lost => {
                self.step(floor::Event::Withdrawn { lane }).await;
                self.apologise(ErrorCode::SttUnavailable.error("what was said could not be transcribed")).await;
            }
            Report::Closed => {
                self.step(floor::Event::Ended { lane }).await;
                self.step(floor::Event::Withdrawn { lane }).await;
            }
        }
    }

    async fn answered(&mut self, event: answer::Event) {
        match event {
            answer::Event::Text { generation, delta } => {
                let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) else { return };
                let (entry, index) = turn.answered(delta.clone());
                let (context, span, id) = (turn.context.clone(), turn.span.clone(), turn.id.to_string());
                if turn.logged {
                    self.journal.log(&context, &span, entry).await;
                }
                let text = client_event::Event::TextChunk(TextEvent { index, text: delta.clone() });
                self.journal.event(&context, &id, &span, text);
                self.journal.caption(Caption::Spoken { segment: id, delta });
            }
            answer::Event::Status { code, message } => self.status(code, message),
            answer::Event::Usage(usage) => {
                for (kind, tokens) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
                    metrics::histogram!(metric::TOKEN_USAGE, "gen_ai_token_type" => kind).record(f64::from(tokens));
                }
            }
            answer::Event::Finished { generation, timings } => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) {
                    let voiceless = timings.voiceless.clone();
                    turn.timings = Some(timings);
                    if let Some(reason) = voiceless {
                        self.status(
                            ErrorCode::TtsUnavailable.to_string(),
                            format!("the answer is not spoken: {reason}"),
                        );
                    }
                }
            }
            answer::Event::Failed { generation, error } => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) {
                    turn.failure = Some(error);
                }
            }
        }
    }

    /// False: the place is gone.
    async fn played(&mut self, event: playout::Event) -> bool {
        match event {
            playout::Event::Started { generation, at } => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) {
                    turn.audible_at = Some(at);
                }
                self.step(floor::Event::AudioStarted { generation }).await;
            }
            playout::Event::Heard { generation, text_bytes } => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) {
                    turn.heard_bytes = turn.heard_bytes.max(text_bytes).min(turn.answer.len());
                }
            }
            playout::Event::Drained { generation } => {
                let failed =
                    self.turn.as_ref().is_some_and(|turn| turn.generation == generation && turn.failure.is_some());
                let event =
                    if failed { floor::Event::Failed { generation } } else { floor::Event::Drained { generation } };
                self.step(event).await;
            }
            playout::Event::Gone => return false,
        }
        true
    }

    async fn step(&mut self, event: floor::Event) {
        let effects = self.floor.next(event);
        self.apply_all(effects, None).await;
    }

    async fn apply_all(&mut self, effects: Vec<floor::Effect>, utterance: Option<Timing>) {
        let mut failed = None;
        for effect in effects {
            failed = self.apply(effect, utterance).await.or(failed);
        }
        self.show_phase();
        if let Some(error) = failed {
            self.apologise(error).await;
        }
    }

    /// Carries out one effect; returns what the person must be told.
    async fn apply(&mut self, effect: floor::Effect, utterance: Option<Timing>) -> Option<aether_proto::Error> {
        match effect {
            floor::Effect::Open { generation, lane, text } => {
                self.open(generation, lane, text, Modality::Voice);
                None
            }
            floor::Effect::Commit { generation, lane, text } => {
                self.commit(generation, lane, text, utterance).await;
                None
            }
            floor::Effect::Speak { generation, text } => {
                self.begin(generation, Source::Text(text));
                None
            }
            floor::Effect::Cancel { generation, reason } => {
                self.playout.stop(generation);
                let (reason, told) = match reason {
                    CancelReason::Withdrawn => ("withdrawn", None),
                    CancelReason::Interrupted => ("interrupted", None),
                    CancelReason::TimedOut => {
                        let error = ErrorCode::DeadlineExceeded.error("no answer came in time");
                        ("error", Some(error))
                    }
                };
                self.close(reason).await;
                told
            }
            floor::Effect::Complete { .. } => {
                self.close("completed").await;
                None
            }
            floor::Effect::Fail { generation } => {
                self.playout.stop(generation);
                let error = self.turn.as_mut().and_then(|turn| turn.failure.take());
                self.close("error").await;
                error
            }
            floor::Effect::Duck => {
                self.playout.set_ducked(true);
                None
            }
            floor::Effect::Unduck => {
                self.playout.set_ducked(false);
                None
            }
            floor::Effect::Arm { deadline, armed } => {
                let wait = match deadline {
                    Deadline::BargeIn => self.options.policy.barge_in,
                    Deadline::Resume => self.options.policy.resume,
                    Deadline::Answer => self.options.policy.answer,
                };
                self.armed = Some((deadline, armed, Instant::now() + wait));
                None
            }
            floor::Effect::Busy => None,
        }
    }

    fn open(&mut self, generation: Generation, lane: LaneId, words: String, modality: Modality) {
        let (commit, committed) = oneshot::channel();
        let guest = self.seats.get(&lane).map(|seat| &seat.guest);
        let open = Open {
            generation: generation.number(),
            person_id: guest.map(|guest| guest.person.to_string()).unwrap_or_default(),
            person_name: guest.map(|guest| guest.participant.name.clone()).unwrap_or_default(),
            room: self.options.room.to_string(),
            modality: modality.into(),
            words,
            ..Open::default()
        };
        let turn = self.begin(generation, Source::Ask { open, commit: committed });
        turn.commit = Some(commit);
    }

    async fn commit(&mut self, generation: Generation, lane: LaneId, text: String, utterance: Option<Timing>) {
        let modality = if utterance.is_some() { Modality::Voice } else { Modality::Text };
        if self.turn.as_ref().is_none_or(|turn| turn.generation != generation) {
            self.open(generation, lane, text.clone(), modality);
        }
        let guest = self.seats.get(&lane).map(|seat| &seat.guest);
        let step = UserCommitted {
            room: self.options.room.to_string(),
            person_id: guest.map(|guest| guest.person.to_string()).unwrap_or_default(),
            person_name: guest.map(|guest| guest.participant.name.clone()).unwrap_or_default(),
            text: text.clone(),
            modality: modality.as_str_name().to_lowercase(),
        };
        let Some(turn) = self.turn.as_mut() else { return };
        turn.utterance = utterance;
        let entry = turn.user_committed(step);
        let (context, span, commit) = (turn.context.clone(), turn.span.clone(), turn.commit.take());
        let safe = self.journal.log(&context, &span, entry).await;
        // Brain is asked once the person's words can't be lost any more.
        tokio::spawn(async move {
            let _ = safe.await;
            if let Some(commit) = commit {
                let _ = commit.send(Commit { generation: generation.number(), text });
            }
        });
    }

    /// Starts the work of a generation. The one before it has been closed by an effect of its own.
    fn begin(&mut self, generation: Generation, source: Source) -> &mut Turn {
        let span = tracing::info_span!(
            parent: None,
            "turn",
            turn = tracing::field::Empty,
            room = %self.options.room,
            session = self.options.context.session.map(tracing::field::display),
            tenant = %self.options.context.tenant,
        );
        let context = self.options.context.clone().with_request(aether_proto::RequestId::generate());
        let turn = Turn::new(generation, context.clone(), span.clone());
        span.record("turn", tracing::field::display(turn.id));
        let source = match source {
            Source::Ask { mut open, commit } => {
                open.session_id = context.session.map(|session| session.to_string()).unwrap_or_default();
                open.turn_id = turn.id.to_string();
                Source::Ask { open, commit }
            }
            text => text,
        };
        let answer = Answer {
            generation,
            bus: self.parts.bus.clone(),
            context,
            voice: self.options.voice.clone(),
            playout: self.playout.clone(),
            events: self.answers.clone(),
        };
        let cancel = turn.cancel.clone();
        tokio::spawn(
            async move {
                // Dropping the answer cancels its calls.
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = answer.run(source) => {}
                }
            }
            .instrument(span),
        );
        self.turn.insert(turn)
    }

    /// Ends the turn that is alive: its calls, its log, its captions, its numbers.
    async fn close(&mut self, reason: &str) {
        let Some(mut turn) = self.turn.take() else { return };
        turn.cancel.cancel();
        let id = turn.id.to_string();
        if reason == "completed" && turn.timings.as_ref().is_none_or(|timings| timings.voiceless.is_none()) {
            turn.heard_bytes = turn.answer.len();
        }
        if turn.logged {
            for entry in turn.closed(reason) {
                self.journal.log(&turn.context, &turn.span, entry).await;
            }
        }
        if !turn.answer.is_empty() {
            self.journal.caption(Caption::SpokenEnd { segment: id.clone() });
        }
        let show = |event| self.journal.event(&turn.context, &id, &turn.span, event);
        if reason == "interrupted" && turn.logged {
            metrics::counter!(metric::INTERRUPTIONS).increment(1);
            show(client_event::Event::Interrupted(InterruptedEvent {
                heard_bytes: u32::try_from(turn.heard_bytes).unwrap_or(u32::MAX),
                heard_text: turn.heard_text().to_owned(),
            }));
        }
        let trace_id = turn.span.in_scope(aether_telemetry::current_trace_id);
        if let Some(metrics) = turn.metrics(self.options.lane.endpoint_silence, trace_id) {
            record(&metrics);
            show(client_event::Event::TurnMetrics(metrics));
        }
        if turn.logged || !turn.answer.is_empty() {
            show(client_event::Event::StreamEnd(StreamEnd { reason: reason.to_owned() }));
        }
        metrics::counter!(metric::TURNS, "end" => reason.to_owned()).increment(1);
    }

    /// Tells the person what went wrong, on every way there is.
    async fn apologise(&mut self, error: aether_proto::Error) {
        let sentence = error.error_code().spoken();
        tracing::warn!(code = %error.code, message = %error.message, room = %self.options.room, "a turn failed");
        let context = self.options.context.clone();
        self.journal.event(&context, "", &Span::none(), client_event::Event::Error(error));
        // Refused while somebody speaks: then the sentence is shown, and they will ask again.
        let effects = self.floor.next(floor::Event::Say { text: sentence.to_owned() });
        for effect in effects {
            // A sentence of our own has no further apology.
            self.apply(effect, None).await;
        }
        self.show_phase();
    }

    fn status(&self, code: String, message: String) {
        let event = client_event::Event::Status(StatusEvent { code, message });
        self.journal.event(&self.options.context, "", &Span::none(), event);
    }

    /// Drafts of an utterance and its final transcript share a caption segment.
    fn transcript(&mut self, lane: LaneId, text: &str, is_final: bool) {
        let Some(seat) = self.seats.get_mut(&lane) else { return };
        let identity = seat.guest.participant.identity.clone();
        let segment = format!("{identity}-{}", seat.utterances);
        seat.utterances += u32::from(is_final);
        let event = TranscriptEvent { speaker: identity.clone(), text: text.to_owned(), r#final: is_final };
        self.journal.event(&self.options.context, "", &Span::none(), client_event::Event::Transcript(event));
        self.journal.caption(Caption::Heard { segment, identity, text: text.to_owned(), is_final });
    }

    fn show_phase(&self) {
        let phase = self.floor.phase();
        let changed = self.phase.send_if_modified(|shown| std::mem::replace(shown, phase) != phase);
        if !changed {
            return;
        }
        self.journal.phase(phase);
        let state = match phase {
            Phase::Listening => aether_proto::AgentState::Listening,
            Phase::Thinking => aether_proto::AgentState::Thinking,
            Phase::Speaking => aether_proto::AgentState::Speaking,
        };
        let event = client_event::Event::AgentState(AgentStateEvent { state: state.into() });
        self.journal.event(&self.options.context, "", &Span::none(), event);
    }

    /// One lane per participant, the same for speech and typing.
    fn lane_of(&mut self, guest: Guest) -> LaneId {
        let identity = &guest.participant.identity;
        if let Some((lane, seat)) = self.seats.iter_mut().find(|(_, seat)| seat.guest.participant.identity == *identity)
        {
            seat.guest = guest;
            return *lane;
        }
        self.next_lane += 1;
        let lane = LaneId(self.next_lane);
        self.seats.insert(lane, Seat { guest, utterances: 0 });
        lane
    }
}

fn record(turn: &TurnMetrics) {
    let stages = [
        (metric::TURN_ENDPOINT, turn.endpoint_ms),
        (metric::TURN_STT, turn.stt_ms),
        (metric::TURN_LLM_FIRST_TOKEN, turn.llm_first_token_ms),
        (metric::TURN_TTS_FIRST_AUDIO, turn.tts_first_audio_ms),
        (metric::TURN_TOTAL, turn.total_ms),
    ];
    for (name, ms) in stages {
        metrics::histogram!(name).record(f64::from(ms) / 1e3);
    }
    metrics::histogram!(metric::TURN_OVERHEAD).record(f64::from(turn.overhead_us) / 1e6);
}

/// Resolves when the armed deadline has passed; never without one.
async fn elapsed(armed: Option<(Deadline, Generation, Instant)>) -> (Deadline, Generation) {
    match armed {
        Some((deadline, generation, at)) => {
            tokio::time::sleep_until(at).await;
            (deadline, generation)
        }
        None => std::future::pending().await,
    }
}
