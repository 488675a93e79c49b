//! The loop of a session: whatever happens becomes a floor event, whatever the floor decides is carried out.
//!
//! No effect waits for anything but queues with room.

use std::sync::Arc;

use aether_proto::{
    AgentStateEvent, ErrorCode, Modality, StatusEvent, TextEvent, TranscriptEvent, TurnId, client_event,
};
use aether_telemetry::{Traced, metric};
use aether_turn::Generation;
use aether_turn::floor::{self, CancelReason, Deadline, Floor, LaneId, Phase};
use aether_turn::overlap;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::away::{Ability, Away};
use super::seats::Seats;
use super::{Command, Guest, LastHeard, Manners, OpenTurn, Options, Parts, Refused, agent_state};
use crate::answer::{self, Source};
use crate::journal::{Journal, shown_part};
use crate::lane::{self, Report, Timing};
use crate::media::{Caption, MediaEnd};
use crate::playout::{self, Playout};
use crate::recorder::Recorder;
use crate::sentence::Sentences;
use crate::turn::{self, Turn};

pub(super) struct Inputs {
    pub commands: mpsc::Receiver<Command>,
    pub reports: mpsc::Receiver<(LaneId, Report)>,
    pub answers: mpsc::Receiver<answer::Event>,
    pub playout: mpsc::Receiver<playout::Event>,
    pub back: mpsc::Receiver<Ability>,
}

pub(super) struct Outputs {
    pub reports: mpsc::Sender<(LaneId, Report)>,
    pub answers: mpsc::Sender<answer::Event>,
    pub playout_events: mpsc::Sender<playout::Event>,
    pub phase: watch::Sender<Phase>,
    pub heard: watch::Sender<Option<LastHeard>>,
    pub manners: watch::Sender<Manners>,
    pub open_turn: watch::Sender<Option<OpenTurn>>,
    pub back: mpsc::Sender<Ability>,
}

pub(super) struct Shell {
    pub(super) options: Options,
    pub(super) parts: Parts,
    pub(super) journal: Journal,
    pub(super) playout: Playout,
    floor: Floor,
    pub(super) recorder: Recorder,
    /// The turn that is alive; the floor sees to it that there is one at most.
    pub(super) turn: Option<Turn>,
    /// What was made ahead of the same words, in vain.
    pub(super) thrown_away: Option<Traced>,
    pub(super) seats: Seats,
    pub(super) manners: Manners,
    pub(super) away: Away,
    armed: Option<(Deadline, Generation, Instant)>,
    reports: mpsc::Sender<(LaneId, Report)>,
    pub(super) answers: mpsc::Sender<answer::Event>,
    phase: watch::Sender<Phase>,
    heard: watch::Sender<Option<LastHeard>>,
    pub(super) shown_manners: watch::Sender<Manners>,
    pub(super) open_turn: watch::Sender<Option<OpenTurn>>,
}

impl Shell {
    pub(super) fn new(options: Options, parts: Parts, media: Arc<dyn MediaEnd>, outputs: Outputs) -> Self {
        let Outputs { reports, answers, playout_events, phase, heard, manners, open_turn, back } = outputs;
        let playout = Playout::start(Arc::clone(&media), playout_events);
        playout.set_muted(options.manners.muted);
        Self {
            journal: Journal::start(parts.bus.clone(), parts.turn_log.clone(), media, options.room.clone()),
            playout,
            floor: Floor::new(),
            recorder: recorder(&options),
            turn: None,
            thrown_away: None,
            seats: Seats::default(),
            manners: options.manners,
            away: Away::new(parts.bus.clone(), options.context.clone(), options.policy.ask_again, back),
            armed: None,
            reports,
            answers,
            phase,
            heard,
            shown_manners: manners,
            open_turn,
            options,
            parts,
        }
    }

    pub(super) async fn run(mut self, mut inputs: Inputs, shutdown: CancellationToken) {
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
                Some(ability) = inputs.back.recv() => self.is_back(ability).await,
                (deadline, generation) = elapsed(armed) => {
                    self.armed = None;
                    self.step(floor::Event::DeadlineReached { deadline, armed: generation }).await;
                }
            }
        }
        // What was under way, or waited in writing, ends in the log, so that nothing stays open for ever.
        loop {
            self.step(floor::Event::Interrupt).await;
            if self.turn.is_none() {
                break;
            }
        }
        self.journal.settle().await;
    }

    async fn commanded(&mut self, command: Command) {
        match command {
            Command::Listen(guest, reply) => {
                let lane = self.seats.speaker(guest);
                let (options, recorder) = (self.options.lane.clone(), self.recorder.clone());
                let sentences = Sentences::new(self.parts.bus.clone(), &self.options.context, options.sentences);
                let input = lane::start(lane, &self.parts.ears, sentences, options, self.reports.clone(), recorder);
                // A caller who did not wait drops the lane with its input.
                let _ = reply.send(input);
            }
            Command::Arrived(guest) => {
                self.seats.arrived(guest);
                self.concern(None);
            }
            Command::Left(identity) => {
                self.seats.left(&identity);
                self.concern(None);
            }
            Command::Typed(guest, text) => {
                self.concern(Some(&guest));
                self.show_transcript(&guest, &text, true, Modality::Text);
                let lane = self.seats.writer(guest);
                self.step(floor::Event::Wrote { lane, text }).await;
            }
            Command::TakeUp(open) => self.take_up(open).await,
            Command::SetMuted(muted, done) => {
                self.set_muted(muted);
                let _ = done.send(());
            }
            Command::SetOffTheRecord(off, done) => {
                self.set_off_the_record(off).await;
                let _ = done.send(());
            }
            Command::Announce(text, reply) => self.asked(floor::Event::Announce { text }, reply).await,
            Command::Say(text, reply) => self.asked(floor::Event::Say { text }, reply).await,
            Command::Interrupt(done) => {
                self.step(floor::Event::Interrupt).await;
                let _ = done.send(());
            }
        }
    }

    /// Somebody waits to hear whether the floor takes this.
    async fn asked(&mut self, event: floor::Event, reply: oneshot::Sender<Result<(), Refused>>) {
        let effects = self.decide(event);
        let busy = effects.contains(&floor::Effect::Busy);
        self.apply_all(effects, None).await;
        let _ = reply.send(if busy { Err(Refused::Busy) } else { Ok(()) });
    }

    async fn reported(&mut self, lane: LaneId, report: Report) {
        let is_over = matches!(report, Report::Nothing | Report::Said { .. } | Report::Lost | Report::Closed);
        match report {
            Report::Began => self.step(floor::Event::Began { lane }).await,
            Report::Ended => self.step(floor::Event::Ended { lane }).await,
            Report::Partial { text } => self.understood(lane, &text).await,
            Report::Draft { text } => {
                self.understood(lane, &text).await;
                self.step(floor::Event::Draft { lane, text }).await;
            }
            Report::Guess { text, awaited } => {
                self.understood(lane, &text).await;
                let effects = self.decide(floor::Event::Guess { lane, text });
                let is_made = effects.iter().any(|effect| matches!(effect, floor::Effect::Guess { .. }));
                self.apply_all(effects, None).await;
                // An answer that will not be spoken is not waited for, because nobody hears it begin.
                let is_spoken = !self.manners.muted && !self.away.is_lost(Ability::Speaking);
                if let Some(turn) = self.turn.as_mut().filter(|_| is_made && is_spoken) {
                    turn.awaited = Some(awaited);
                }
            }
            Report::Nothing => {
                metrics::counter!(metric::IGNORED, "reason" => "no_speech").increment(1);
                self.take_back(lane);
                self.step(floor::Event::Withdrawn { lane }).await;
            }
            // Signs of listening ask for no answer, and "okay" does not replace the question that is being thought about.
            Report::Said { text, .. } if self.floor.phase() != Phase::Listening && !self.is_meant(&text) => {
                self.transcript(lane, &text, true);
                metrics::counter!(metric::IGNORED, "reason" => "backchannel").increment(1);
                self.step(floor::Event::Withdrawn { lane }).await;
            }
            Report::Said { text, timing } => {
                self.transcript(lane, &text, true);
                if timing.went_on {
                    metrics::counter!(metric::CUT_OFFS).increment(1);
                }
                let effects = self.decide(floor::Event::Said { lane, text });
                self.apply_all(effects, Some(timing)).await;
            }
            Report::Lost => {
                self.take_back(lane);
                self.step(floor::Event::Withdrawn { lane }).await;
                self.apologise(ErrorCode::SttUnavailable.error("what was said could not be transcribed")).await;
            }
            Report::Closed => {
                self.step(floor::Event::Ended { lane }).await;
                self.step(floor::Event::Withdrawn { lane }).await;
                self.seats.closed(lane);
            }
        }
        if is_over {
            self.thrown_away = None;
        }
    }

    /// Shows what is understood of somebody so far, and tells the floor, if the agent has something to say itself.
    async fn understood(&mut self, lane: LaneId, text: &str) {
        if !text.is_empty() {
            self.transcript(lane, text, false);
        }
        if self.floor.phase() != Phase::Listening {
            let meant = self.is_meant(text);
            self.step(floor::Event::Overheard { lane, meant }).await;
        }
    }

    fn is_meant(&self, text: &str) -> bool {
        overlap::is_meant(text, self.turn.as_ref().map_or("", Turn::around_heard))
    }

    /// The words are taken for spoken ones: where an agent was lost in a conversation, it was most likely aloud.
    async fn take_up(&mut self, open: OpenTurn) {
        self.journal.log(&self.options.context, &Span::none(), turn::abandoned(&self.options.context, open.turn)).await;
        if self.seats.is_present(&open.guest.participant.identity) {
            let lane = self.seats.writer(open.guest);
            self.step(floor::Event::Asked { lane, text: open.words }).await;
        }
    }

    /// The id of this generation's turn, if it is the one under way.
    fn turn_id(&self, generation: Generation) -> Option<TurnId> {
        self.turn.as_ref().filter(|turn| turn.generation == generation).map(|turn| turn.id)
    }

    async fn answered(&mut self, event: answer::Event) {
        match event {
            answer::Event::Text { generation, delta } => {
                let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) else { return };
                let (entry, index) = turn.answered(delta.clone());
                let (context, span, id) = (turn.context.clone(), turn.span.clone(), turn.id.to_string());
                let is_shown_only = turn.voiceless || self.manners.muted;
                if turn.on_record {
                    self.journal.log(&context, &span, entry).await;
                }
                let text = client_event::Event::TextChunk(TextEvent { index, text: delta.clone() });
                self.journal.event(&context, &id, &span, text);
                self.journal.caption(Caption::Spoken { segment: id, delta });
                if is_shown_only {
                    // Nothing will be heard, so nobody need wait for that: the person is being answered.
                    self.step(floor::Event::AudioStarted { generation }).await;
                }
            }
            answer::Event::Held { generation } => self.need_not_wait(generation),
            answer::Event::Status { generation, code, message } => {
                let id = self.turn_id(generation).map(|id| id.to_string()).unwrap_or_default();
                self.status(&id, &code, &message);
            }
            answer::Event::ToolResult { generation, result } => {
                let id = self.turn_id(generation).map(|id| id.to_string()).unwrap_or_default();
                let event = client_event::Event::ToolResult(result);
                self.journal.event(&self.options.context, &id, &Span::none(), event);
            }
            answer::Event::Voiceless { generation, reason } => {
                let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) else { return };
                turn.voiceless = true;
                turn.awaited = None;
                tracing::debug!(reason, "the answer is not spoken");
                self.lose(Ability::Speaking);
                self.step(floor::Event::AudioStarted { generation }).await;
            }
            answer::Event::Finished { generation, timings } => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) {
                    let was_thought = turn.committed;
                    let was_spoken = !turn.voiceless && timings.first_pcm.is_some();
                    turn.timings = Some(timings);
                    if was_thought {
                        self.regain(Ability::Thinking);
                    }
                    if was_spoken {
                        self.regain(Ability::Speaking);
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

    /// The answer that is made ahead is there, as far as it can be before the commit.
    fn need_not_wait(&mut self, generation: Generation) {
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) {
            turn.awaited = None;
        }
    }

    /// False: the place is gone.
    async fn played(&mut self, event: playout::Event) -> bool {
        match event {
            playout::Event::Ready { generation } => self.need_not_wait(generation),
            playout::Event::Started { generation, at } => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) {
                    turn.audible_at = Some(at);
                }
                self.step(floor::Event::AudioStarted { generation }).await;
            }
            playout::Event::Heard { generation, text_bytes } => {
                let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) else { return true };
                if let Some(entry) = turn.heard(text_bytes)
                    && turn.on_record
                {
                    let (context, span) = (turn.context.clone(), turn.span.clone());
                    self.journal.log(&context, &span, entry).await;
                }
                if let Some(turn) = &self.turn {
                    self.heard.send_replace(Some(LastHeard { turn: turn.id, text_bytes: turn.heard_bytes }));
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

    pub(super) async fn step(&mut self, event: floor::Event) {
        let effects = self.decide(event);
        self.apply_all(effects, None).await;
    }

    /// The only way into the floor machine.
    pub(super) fn decide(&mut self, event: floor::Event) -> Vec<floor::Effect> {
        self.recorder.floor(&mut self.floor, event)
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
    pub(super) async fn apply(
        &mut self,
        effect: floor::Effect,
        utterance: Option<Timing>,
    ) -> Option<aether_proto::Error> {
        match effect {
            floor::Effect::Open { generation, lane, text } => {
                self.open(generation, lane, text, Modality::Voice);
                None
            }
            floor::Effect::Update { generation, text } => {
                self.update(generation, text, false);
                None
            }
            floor::Effect::Guess { generation, text } => {
                self.update(generation, text, true);
                None
            }
            floor::Effect::Commit { generation, lane, text, written } => {
                self.commit(generation, lane, text, written, utterance).await;
                None
            }
            floor::Effect::Speak { generation, text } => {
                self.begin(generation, Source::Text(text));
                self.playout.release(generation);
                None
            }
            floor::Effect::Cancel { generation, reason } => {
                self.playout.stop(generation);
                let (reason, told) = match reason {
                    CancelReason::Withdrawn => ("withdrawn", None),
                    CancelReason::Interrupted => ("interrupted", None),
                    CancelReason::Unsaid => ("error", None),
                    CancelReason::TimedOut => {
                        let shown = self.turn.as_ref().is_some_and(|turn| !turn.answer.is_empty());
                        let code = if shown { ErrorCode::TtsUnavailable } else { ErrorCode::DeadlineExceeded };
                        let error = code.error("no answer was heard in time");
                        self.note_failure(&error);
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
                if let Some(error) = &error {
                    self.note_failure(error);
                }
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
                    Deadline::Overlap => self.options.policy.overlap,
                    Deadline::Resume => self.options.policy.resume,
                    Deadline::Answer => self.options.policy.answer,
                };
                self.armed = Some((deadline, armed, Instant::now() + wait));
                None
            }
            floor::Effect::Busy => None,
        }
    }

    /// Whom that what happens from now on concerns: those who are here, and whoever wrote from elsewhere.
    pub(super) fn concern(&self, writer: Option<&Guest>) {
        let mut people = self.seats.people();
        people.extend(writer.map(|guest| guest.person.to_string()).filter(|writer| !people.contains(writer)));
        self.journal.set_people(people);
    }

    pub(super) fn status(&self, turn: &str, code: &str, message: &str) {
        let event = client_event::Event::Status(StatusEvent { code: code.to_owned(), message: message.to_owned() });
        self.journal.event(&self.options.context, turn, &Span::none(), event);
    }

    /// Drafts of an utterance and its final transcript share a caption segment.
    fn transcript(&mut self, lane: LaneId, text: &str, is_final: bool) {
        let Some((guest, segment)) = self.seats.caption(lane, is_final) else { return };
        self.show_transcript(&guest, text, is_final, Modality::Voice);
        let identity = guest.participant.identity;
        self.journal.caption(Caption::Heard { segment, identity, text: text.to_owned(), is_final });
    }

    /// What was shown of an utterance was no speech after all.
    fn take_back(&mut self, lane: LaneId) {
        if self.seats.shows_partial(lane) {
            self.transcript(lane, "", true);
        }
    }

    fn show_transcript(&self, guest: &Guest, text: &str, is_final: bool, modality: Modality) {
        let event = TranscriptEvent {
            speaker: guest.participant.identity.clone(),
            text: shown_part(text).to_owned(),
            r#final: is_final,
            speaker_name: guest.participant.name.clone(),
            modality: modality.as_str_name().to_lowercase(),
        };
        self.journal.event(&self.options.context, "", &Span::none(), client_event::Event::Transcript(event));
    }

    pub(super) fn show_phase(&self) {
        let phase = self.floor.phase();
        let changed = self.phase.send_if_modified(|shown| std::mem::replace(shown, phase) != phase);
        if !changed {
            return;
        }
        self.journal.phase(phase);
        let event = client_event::Event::AgentState(AgentStateEvent { state: agent_state(phase).into() });
        self.journal.event(&self.options.context, "", &Span::none(), event);
    }
}

/// Of a session that is on the record, if somebody wants a trace.
fn recorder(options: &Options) -> Recorder {
    let Some(folder) = options.trace.as_ref().filter(|_| !options.manners.off_the_record) else {
        return Recorder::default();
    };
    let session = options.context.session.map(|session| session.to_string()).unwrap_or_default();
    // A session that another agent goes on with gets another file: its machines are new.
    Recorder::start(folder, &format!("{session}-{}.jsonl", turn::unix_us() / 1_000))
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
