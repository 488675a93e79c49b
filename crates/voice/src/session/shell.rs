//! The loop of a session: whatever happens becomes a floor event, whatever the floor decides is carried out.
//!
//! No effect waits for anything but queues with room.

use std::sync::Arc;

use aether_proto::{AgentStateEvent, ErrorCode, Modality, StatusEvent, TextEvent, TranscriptEvent, client_event};
use aether_telemetry::metric;
use aether_turn::Generation;
use aether_turn::floor::{self, CancelReason, Deadline, Floor, LaneId, Phase};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::seats::Seats;
use super::{Command, LastHeard, Options, Parts, Refused};
use crate::answer::{self, Source};
use crate::journal::Journal;
use crate::lane::{self, Report, Timing};
use crate::media::{Caption, MediaEnd};
use crate::playout::{self, Playout};
use crate::turn::Turn;

pub(super) struct Inputs {
    pub commands: mpsc::Receiver<Command>,
    pub reports: mpsc::Receiver<(LaneId, Report)>,
    pub answers: mpsc::Receiver<answer::Event>,
    pub playout: mpsc::Receiver<playout::Event>,
}

pub(super) struct Outputs {
    pub reports: mpsc::Sender<(LaneId, Report)>,
    pub answers: mpsc::Sender<answer::Event>,
    pub playout_events: mpsc::Sender<playout::Event>,
    pub phase: watch::Sender<Phase>,
    pub heard: watch::Sender<Option<LastHeard>>,
}

pub(super) struct Shell {
    pub(super) options: Options,
    pub(super) parts: Parts,
    pub(super) journal: Journal,
    pub(super) playout: Playout,
    pub(super) floor: Floor,
    /// The turn that is alive; the floor sees to it that there is one at most.
    pub(super) turn: Option<Turn>,
    pub(super) seats: Seats,
    armed: Option<(Deadline, Generation, Instant)>,
    reports: mpsc::Sender<(LaneId, Report)>,
    pub(super) answers: mpsc::Sender<answer::Event>,
    phase: watch::Sender<Phase>,
    heard: watch::Sender<Option<LastHeard>>,
}

impl Shell {
    pub(super) fn new(options: Options, parts: Parts, media: Arc<dyn MediaEnd>, outputs: Outputs) -> Self {
        let Outputs { reports, answers, playout_events, phase, heard } = outputs;
        Self {
            journal: Journal::start(
                parts.bus.clone(),
                parts.turn_log.clone(),
                Arc::clone(&media),
                options.room.clone(),
            ),
            playout: Playout::start(media, playout_events),
            floor: Floor::new(),
            turn: None,
            seats: Seats::default(),
            armed: None,
            reports,
            answers,
            phase,
            heard,
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
                (deadline, generation) = elapsed(armed) => {
                    self.armed = None;
                    self.step(floor::Event::DeadlineReached { deadline, armed: generation }).await;
                }
            }
        }
        // What was under way ends in the log, so that nothing stays open for ever.
        self.step(floor::Event::Interrupt).await;
        self.journal.settle().await;
    }

    async fn commanded(&mut self, command: Command) {
        match command {
            Command::Listen(guest, reply) => {
                let lane = self.seats.speaker(guest);
                let input = lane::start(lane, &self.parts.ears, self.options.lane.clone(), self.reports.clone());
                // A caller who did not wait drops the lane with its input.
                let _ = reply.send(input);
            }
            Command::Typed(guest, text) => {
                let lane = self.seats.writer(guest);
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
            Report::Nothing => {
                metrics::counter!(metric::IGNORED, "reason" => "no_speech").increment(1);
                self.step(floor::Event::Withdrawn { lane }).await;
            }
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
                self.seats.left(lane);
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
                let Some(turn) = self.turn.as_mut().filter(|turn| turn.generation == generation) else { return true };
                if let Some(entry) = turn.heard(text_bytes)
                    && turn.logged
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
                self.update(generation, text);
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
                        let shown = self.turn.as_ref().is_some_and(|turn| !turn.answer.is_empty());
                        let code = if shown { ErrorCode::TtsUnavailable } else { ErrorCode::DeadlineExceeded };
                        ("error", Some(code.error("no answer was heard in time")))
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

    pub(super) fn status(&self, code: String, message: String) {
        let event = client_event::Event::Status(StatusEvent { code, message });
        self.journal.event(&self.options.context, "", &Span::none(), event);
    }

    /// Drafts of an utterance and its final transcript share a caption segment.
    fn transcript(&mut self, lane: LaneId, text: &str, is_final: bool) {
        let Some((identity, segment)) = self.seats.caption(lane, is_final) else { return };
        let event = TranscriptEvent { speaker: identity.clone(), text: text.to_owned(), r#final: is_final, ..TranscriptEvent::default() };
        self.journal.event(&self.options.context, "", &Span::none(), client_event::Event::Transcript(event));
        self.journal.caption(Caption::Heard { segment, identity, text: text.to_owned(), is_final });
    }

    pub(super) fn show_phase(&self) {
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
