//! The life of a turn in its session: opened early, committed, answered, ended.

use aether_proto::{
    Commit, ErrorCode, InterruptedEvent, Modality, Open, RequestId, StatusEvent, StreamEnd, TurnMetrics, Update,
    UserCommitted, client_event,
};
use aether_telemetry::{Traced, metric};
use aether_turn::Generation;
use aether_turn::floor::{self, LaneId};
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument as _, Span};

use super::OpenTurn;
use super::away::Ability;
use super::shell::Shell;
use crate::answer::{Answer, Source};
use crate::journal::shown_part;
use crate::lane::Timing;
use crate::media::Caption;
use crate::turn::Turn;

/// Words so far that may wait for a call that is still being accepted.
const UPDATES: usize = 4;

impl Shell {
    pub(super) fn open(&mut self, generation: Generation, lane: LaneId, words: String, modality: Modality) {
        let (commit, committed) = oneshot::channel();
        let (words_so_far, updates) = mpsc::channel(UPDATES);
        let guest = self.seats.guest(lane);
        let open = Open {
            generation: generation.number(),
            person_id: guest.map(|guest| guest.person.to_string()).unwrap_or_default(),
            person_name: guest.map(|guest| guest.participant.name.clone()).unwrap_or_default(),
            room: self.options.room.to_string(),
            modality: modality.into(),
            words,
            off_the_record: self.manners.off_the_record,
            label_speakers: self.seats.are_several(lane),
            ..Open::default()
        };
        let off_the_record = open.off_the_record;
        let turn = self.begin(generation, Source::Ask { open: Box::new(open), words: updates, commit: committed });
        turn.off_the_record = off_the_record;
        turn.commit = Some(commit);
        turn.words = Some(words_so_far);
    }

    /// Tells brain what has been said so far, or, as a `guess`, what is probably all.
    pub(super) fn update(&mut self, generation: Generation, words: String, guess: bool) {
        let turn = self.turn.as_ref().filter(|turn| turn.generation == generation);
        if let Some(sender) = turn.and_then(|turn| turn.words.as_ref()) {
            // Where brain is slow, newer words or the commit come soon enough.
            let _ = sender.try_send(Update { generation: generation.number(), words, guess });
        }
    }

    pub(super) async fn commit(
        &mut self,
        generation: Generation,
        lane: LaneId,
        text: String,
        written: bool,
        utterance: Option<Timing>,
    ) {
        let modality = if written { Modality::Text } else { Modality::Voice };
        self.seats.heard(lane);
        let is_off = self.manners.off_the_record;
        // A turn that was opened before the record was switched is opened again: brain must know.
        let is_open = |turn: &&mut Turn| turn.generation == generation && turn.off_the_record == is_off;
        if self.turn.as_mut().filter(is_open).is_none() {
            if let Some(stale) = &self.turn {
                stale.cancel.cancel();
            }
            self.open(generation, lane, text.clone(), modality);
        }
        let guest = self.seats.guest(lane).cloned();
        if utterance.is_none() {
            self.seats.taken(lane);
        }
        let guest = guest.as_ref();
        self.concern(guest);
        let Some(turn) = self.turn.as_mut() else { return };
        let step = || UserCommitted {
            room: self.options.room.to_string(),
            person_id: guest.map(|guest| guest.person.to_string()).unwrap_or_default(),
            person_name: guest.map(|guest| guest.participant.name.clone()).unwrap_or_default(),
            text: text.clone(),
            modality: modality.as_str_name().to_lowercase(),
        };
        turn.utterance = utterance;
        turn.committed = true;
        turn.is_read |= written;
        if is_off {
            self.playout.release(generation);
            if let Some(commit) = turn.commit.take() {
                // Gone if the turn was cancelled in the meantime.
                let _ = commit.send(Commit { generation: generation.number(), text });
            }
            return;
        }
        let open_turn = guest.map(|guest| OpenTurn { turn: turn.id, guest: guest.clone(), words: text.clone() });
        self.open_turn.send_replace(open_turn);
        let entry = turn.user_committed(step());
        let (context, span, id) = (turn.context.clone(), turn.span.clone(), turn.id.to_string());
        let commit = turn.commit.take();
        let safe = self.journal.log(&context, &span, entry).await;
        let (journal, playout) = (self.journal.clone(), self.playout.clone());
        // Brain is asked, and what was made ahead is heard, once the person's words can't be lost any more. Where they can't
        // be kept at all, the person is told and answered all the same.
        tokio::spawn(async move {
            if safe.await.is_err() {
                let message = "what is said now can't be kept: neither the bus nor the disk takes it".to_owned();
                let status = StatusEvent { code: ErrorCode::StoreUnavailable.to_string(), message };
                journal.event(&context, &id, &span, client_event::Event::Status(status));
            }
            playout.release(generation);
            if let Some(commit) = commit {
                // Gone if the turn was cancelled in the meantime.
                let _ = commit.send(Commit { generation: generation.number(), text });
            }
        });
    }

    /// Starts the work of a generation. The one before it has been closed by an effect of its own.
    pub(super) fn begin(&mut self, generation: Generation, source: Source) -> &mut Turn {
        let span = tracing::info_span!(
            parent: None,
            "turn",
            turn = tracing::field::Empty,
            room = %self.options.room,
            session = self.options.context.session.map(tracing::field::display),
            tenant = %self.options.context.tenant,
            otel.status_code = tracing::field::Empty,
            "error.type" = tracing::field::Empty,
        );
        if let Some(thrown_away) = self.thrown_away.take() {
            thrown_away.link_from(&span);
        }
        let context = self.options.context.clone().with_request(RequestId::generate());
        let mut turn = Turn::new(generation, context.clone(), span.clone());
        turn.is_read = self.manners.muted;
        span.record("turn", tracing::field::display(turn.id));
        let source = match source {
            Source::Ask { mut open, words, commit } => {
                open.session_id = context.session.map(|session| session.to_string()).unwrap_or_default();
                open.turn_id = turn.id.to_string();
                Source::Ask { open, words, commit }
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
            phrases: self.parts.phrases.clone(),
            has_no_voice: self.away.is_lost(Ability::Speaking),
            moment: self.options.policy.moment,
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
    pub(super) async fn close(&mut self, reason: &str) {
        let Some(mut turn) = self.turn.take() else { return };
        turn.cancel.cancel();
        let id = turn.id.to_string();
        // Whoever writes reads the answer too.
        if turn.is_read || (reason == "completed" && !turn.voiceless) {
            turn.heard_all();
        }
        self.open_turn.send_if_modified(|open| open.take_if(|open| open.turn == turn.id).is_some());
        if turn.on_record {
            for entry in turn.closed(reason) {
                self.journal.log(&turn.context, &turn.span, entry).await;
            }
        }
        if !turn.answer.is_empty() {
            self.journal.caption(Caption::SpokenEnd { segment: id.clone() });
        }
        let show = |event| self.journal.event(&turn.context, &id, &turn.span, event);
        if reason == "interrupted" && turn.committed {
            metrics::counter!(metric::INTERRUPTIONS).increment(1);
            show(client_event::Event::Interrupted(InterruptedEvent {
                heard_bytes: u32::try_from(turn.heard_bytes).unwrap_or(u32::MAX),
                heard_text: shown_part(turn.heard_text()).to_owned(),
            }));
        }
        let trace_id = turn.span.in_scope(aether_telemetry::current_trace_id);
        self.thrown_away = (reason == "withdrawn").then(|| Traced::of(&turn.span));
        if let Some(response) = turn.response() {
            response.record(&turn.span);
        }
        if let Some(metrics) = turn.metrics(trace_id) {
            // In the turn's trace, to which the buckets then lead.
            turn.span.in_scope(|| record(&metrics));
            show(client_event::Event::TurnMetrics(metrics));
        }
        if turn.committed || !turn.answer.is_empty() {
            show(client_event::Event::StreamEnd(StreamEnd { reason: reason.to_owned() }));
        }
        metrics::counter!(metric::TURNS, "end" => reason.to_owned()).increment(1);
        self.concern(None);
    }

    /// The turn that is alive is about to end by this.
    pub(super) fn note_failure(&self, error: &aether_proto::Error) {
        let span = self.turn.as_ref().map_or_else(Span::none, |turn| turn.span.clone());
        span.record("otel.status_code", "ERROR");
        span.record("error.type", error.code.as_str());
        span.in_scope(|| {
            tracing::warn!(code = %error.code, "a turn failed");
            // A server's own words may quote what it was asked.
            tracing::debug!(reason = %error.message, "why the turn failed");
        });
    }

    /// Tells the person what went wrong, on every way there is.
    pub(super) async fn apologise(&mut self, error: aether_proto::Error) {
        let (code, sentence) = (error.error_code(), error.error_code().spoken());
        let context = self.options.context.clone();
        self.journal.event(&context, "", &Span::none(), client_event::Event::Error(error));
        if let Some(ability) = Ability::lost_by(code) {
            self.lose(ability);
        }
        // Refused while somebody speaks: then the sentence is shown, and they will ask again.
        let effects = self.decide(floor::Event::Say { text: sentence.to_owned() });
        for effect in effects {
            // A sentence of our own has no further apology.
            self.apply(effect, None).await;
        }
        self.show_phase();
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
