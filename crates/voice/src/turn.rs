//! The session's record of the turn under way: its id, its trace, its log entries in order, and where its time went.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aether_bus::Context;
use aether_proto::{
    AnswerChunk, Commit, Ended, Heard, TurnId, TurnLogEntry, TurnMetrics, Update, UserCommitted, turn_log_entry,
};
use aether_telemetry::Stage;
use aether_turn::Generation;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Span;

use crate::answer::Timings;
use crate::lane::Timing;

/// Bytes of the answer between two entries that say how far it was heard: about a clause.
const HEARD_STEP: usize = 40;
/// Bytes of the answer before and after the word that is heard in which its echo is looked for: some seconds, because an echo is
/// transcribed later than it sounds.
const ECHO_BEFORE: usize = 240;
const ECHO_AFTER: usize = 80;

pub(crate) struct Turn {
    pub id: TurnId,
    pub generation: Generation,
    pub context: Context,
    pub span: Span,
    /// Ends every call of this turn.
    pub cancel: CancellationToken,
    /// Words so far, and the guess of all of them, for a turn that is open and not committed.
    pub words: Option<mpsc::Sender<Update>>,
    /// Taken when the turn is committed.
    pub commit: Option<oneshot::Sender<Commit>>,
    /// The person's silence is not the end yet because of the answer that is made ahead. Dropped when that can be heard, or
    /// there will be nothing to hear before the commit.
    pub awaited: Option<DropGuard>,
    /// Somebody really said something: clients are told how this ends.
    pub committed: bool,
    /// The person's words are in the log: this turn must end there too.
    pub on_record: bool,
    /// As brain was told when the turn was opened.
    pub off_the_record: bool,
    /// Answered in writing, to somebody who writes or whom the agent may not speak to: what is shown counts as heard.
    pub is_read: bool,
    /// The voice is away: the answer is shown from here on.
    pub voiceless: bool,
    /// What the answer says so far, and how much of it has been heard.
    pub answer: String,
    pub heard_bytes: usize,
    heard_logged: usize,
    /// Set once the text is complete or has failed.
    pub timings: Option<Timings>,
    pub failure: Option<aether_proto::Error>,
    pub utterance: Option<Timing>,
    pub audible_at: Option<Instant>,
    sequence: u32,
    chunks: u32,
}

impl Turn {
    pub(crate) fn new(generation: Generation, context: Context, span: Span) -> Self {
        Self {
            id: TurnId::generate(),
            generation,
            context,
            span,
            cancel: CancellationToken::new(),
            words: None,
            commit: None,
            awaited: None,
            committed: false,
            on_record: false,
            off_the_record: false,
            is_read: false,
            voiceless: false,
            answer: String::new(),
            heard_bytes: 0,
            heard_logged: 0,
            timings: None,
            failure: None,
            utterance: None,
            audible_at: None,
            sequence: 0,
            chunks: 0,
        }
    }

    pub(crate) fn user_committed(&mut self, committed: UserCommitted) -> TurnLogEntry {
        self.on_record = true;
        self.entry(turn_log_entry::Step::UserCommitted(committed))
    }

    /// Takes the next words of the answer; returns their log entry and their number.
    pub(crate) fn answered(&mut self, delta: String) -> (TurnLogEntry, u32) {
        let index = self.chunks;
        self.chunks += 1;
        self.answer.push_str(&delta);
        (self.entry(turn_log_entry::Step::AnswerChunk(AnswerChunk { index, text: delta })), index)
    }

    /// Of somebody who reads the answer, or has heard it to its end.
    pub(crate) fn heard_all(&mut self) {
        self.heard_bytes = self.answer.len();
    }

    /// Takes how far the answer has been heard; returns an entry when that is worth writing down.
    pub(crate) fn heard(&mut self, text_bytes: usize) -> Option<TurnLogEntry> {
        self.heard_bytes = self.heard_bytes.max(text_bytes).min(self.answer.len());
        if self.heard_bytes < self.heard_logged + HEARD_STEP {
            return None;
        }
        Some(self.heard_entry())
    }

    fn heard_entry(&mut self) -> TurnLogEntry {
        self.heard_logged = self.heard_bytes;
        let text_bytes = u32::try_from(self.heard_bytes).unwrap_or(u32::MAX);
        self.entry(turn_log_entry::Step::Heard(Heard { text_bytes }))
    }

    /// The two entries that close the turn.
    pub(crate) fn closed(&mut self, reason: &str) -> [TurnLogEntry; 2] {
        [self.heard_entry(), self.entry(turn_log_entry::Step::Ended(Ended { reason: reason.to_owned() }))]
    }

    /// How much of the answer has been heard, on a character boundary.
    pub(crate) fn heard_text(&self) -> &str {
        &self.answer[..self.answer.floor_char_boundary(self.heard_bytes)]
    }

    /// The stretch of the answer that is being heard: what an echo of it would say.
    pub(crate) fn around_heard(&self) -> &str {
        let from = self.answer.floor_char_boundary(self.heard_bytes.saturating_sub(ECHO_BEFORE));
        let to = self.answer.floor_char_boundary(self.heard_bytes + ECHO_AFTER);
        &self.answer[from..to]
    }

    fn entry(&mut self, step: turn_log_entry::Step) -> TurnLogEntry {
        let sequence = self.sequence;
        self.sequence += 1;
        log_entry(&self.context, self.id, sequence, step)
    }

    /// Where the time of a spoken turn went; `None` for one that was typed, or never heard. What was made ahead took no time.
    pub(crate) fn metrics(&self, trace_id: Option<String>) -> Option<TurnMetrics> {
        let (utterance, timings, audible) = (self.utterance?, self.timings.as_ref()?, self.audible_at?);
        let waited_for = |stage: Option<Instant>| stage.map(|at| at.max(utterance.finished));
        let (token, chunk) = (waited_for(timings.first_token), waited_for(timings.first_chunk));
        let span = |from: Option<Instant>, to: Option<Instant>| {
            from.zip(to).map(|(from, to)| to.saturating_duration_since(from)).unwrap_or_default()
        };
        let total = audible.saturating_duration_since(utterance.last_speech);
        let endpoint = utterance.decided.saturating_duration_since(utterance.last_speech);
        let stt = utterance.finished.saturating_duration_since(utterance.decided);
        let first_token = span(Some(utterance.finished), token);
        let gathering = span(token, chunk);
        let first_audio = span(chunk, waited_for(timings.first_pcm));
        let synthesis = timings.synthesis.map_or(first_audio, |synthesis| synthesis.min(first_audio));
        let models = stt + gathering + brain_time(timings, first_token) + synthesis;
        let overhead = total.saturating_sub(utterance.wait.min(endpoint)).saturating_sub(models);
        let ahead = span(timings.first_token, Some(utterance.finished));
        Some(TurnMetrics {
            endpoint_ms: ms(endpoint),
            stt_ms: ms(stt),
            stt_decode_ms: ms(utterance.decode),
            llm_first_token_ms: ms(first_token),
            llm_first_chunk_ms: ms(gathering),
            tts_first_audio_ms: ms(first_audio),
            total_ms: ms(total),
            overhead_us: u32::try_from(overhead.as_micros()).unwrap_or(u32::MAX),
            ahead_ms: ms(ahead),
            trace_id: trace_id.unwrap_or_default(),
        })
    }

    /// The same for the trace: from the last word to the first sound, and what came after what in between. The parts add up to the
    /// whole.
    pub(crate) fn response(&self) -> Option<Stage> {
        let (utterance, timings, audible) = (self.utterance?, self.timings.as_ref()?, self.audible_at?);
        let (now, now_on_the_wall) = (Instant::now(), SystemTime::now());
        let wall = |at: Instant| now_on_the_wall - now.saturating_duration_since(at);
        let began = wall(utterance.last_speech);
        let parts = [
            ("endpointing", Some(utterance.decided)),
            ("transcription", Some(utterance.finished)),
            ("first token", timings.first_token),
            ("first clause", timings.first_chunk),
            ("first audio", timings.first_pcm),
            ("playout", Some(audible)),
        ];
        let parts = one_after_another(began, parts.into_iter().filter_map(|(name, end)| Some((name, wall(end?)))));
        let ended = parts.last().map_or(began, |last| last.ended);
        Some(Stage { name: "response", began, ended, parts })
    }
}

/// How these follow on each other: what comes too early begins and ends where the one before it ended.
fn one_after_another(began: SystemTime, ends: impl IntoIterator<Item = (&'static str, SystemTime)>) -> Vec<Stage> {
    let mut until = began;
    ends.into_iter()
        .map(|(name, end)| {
            let began = until;
            until = end.max(until);
            Stage { name, began, ended: until, parts: Vec::new() }
        })
        .collect()
}

/// The end of a turn that whoever began it did not live to write. Its number is beyond all that may have been written.
pub(crate) fn abandoned(context: &Context, turn: TurnId) -> TurnLogEntry {
    log_entry(context, turn, 1 << 30, turn_log_entry::Step::Ended(Ended { reason: "error".to_owned() }))
}

fn log_entry(context: &Context, turn: TurnId, sequence: u32, step: turn_log_entry::Step) -> TurnLogEntry {
    TurnLogEntry {
        session_id: context.session.map(|session| session.to_string()).unwrap_or_default(),
        turn_id: turn.to_string(),
        sequence,
        at_unix_us: unix_us(),
        step: Some(step),
    }
}

/// The models' own part of the wait for the first token, as far as brain told.
fn brain_time(timings: &Timings, first_token: Duration) -> Duration {
    timings
        .brain
        .as_ref()
        .map(|done| {
            let models = u64::from(done.model_first_token_us) + u64::from(done.model_embed_us);
            Duration::from_micros(models).min(first_token)
        })
        .unwrap_or_default()
}

fn ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// The wall clock, for records; never for measuring.
pub(crate) fn unix_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|elapsed| i64::try_from(elapsed.as_micros()).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_on_each_other_and_add_up() {
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        // The token was made ahead: it took no time.
        let stages = one_after_another(at(100), [("decision", at(600)), ("token", at(400)), ("audio", at(900))]);
        let times: Vec<_> = stages.iter().map(|stage| (stage.name, stage.began, stage.ended)).collect();
        let expected = [("decision", at(100), at(600)), ("token", at(600), at(600)), ("audio", at(600), at(900))];
        assert_eq!(times, expected);
    }
}
