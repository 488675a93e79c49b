//! What came of an utterance or an overlap, from the person's side: a function of the tape and of when each frame left the
//! microphone. One clock; both network legs are in every figure.

use std::time::Duration;

use serde::Serialize;

use super::tape::{Sign, Tape};
use crate::bench::dialogue::{Kind, Take};
use crate::bench::ms;

/// An answer later than this after the end of speech is late; a voice that is still heard this long after the beginning of an
/// interruption did not stop for it.
pub(super) const TOO_LATE: Duration = Duration::from_millis(1_500);
/// The last sound of a turn is still under way when its end is told.
const UNDER_WAY: Duration = Duration::from_millis(250);
/// A shorter silence is one between words.
const SILENCE: Duration = Duration::from_millis(400);
/// A voice counts as lowered when for so long nothing of it is louder than [`DUCKED_DB`] below what it was.
const DUCKED_FOR: Duration = Duration::from_millis(250);
const DUCKED_DB: f32 = 6.0;
/// A voice that is not lowered by then is not lowered because of what began.
const DUCKED_WITHIN: Duration = Duration::from_millis(1_000);
/// Whatever happens sooner after something that the person did can't come of it: the sound has not reached the agent.
const SOONEST: Duration = Duration::from_millis(30);
/// No pause is known to be one sooner than this.
const SOONEST_PAUSE: Duration = Duration::from_millis(100);
const FRAME: Duration = Duration::from_millis(10);

/// An utterance as it left the microphone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The first and the last frame of speech.
    pub(super) begun: Duration,
    pub(super) ended: Duration,
    /// Stretches without speech inside: from the last frame before to the first one after.
    pub(super) pauses: Vec<(Duration, Duration)>,
}

impl Said {
    /// With the time at which each frame of the take left the microphone.
    pub(super) fn new(take: &Take, departures: &[Duration]) -> Self {
        let at = |frame: usize| departures.get(frame).or(departures.last()).copied().unwrap_or_default();
        let pauses = take.pauses.iter().map(|pause| (at(pause.start.saturating_sub(1)), at(pause.end)));
        Self { begun: at(take.speech.start), ended: at(take.speech.end.saturating_sub(1)), pauses: pauses.collect() }
    }
}

/// The person was taken to be done although they were not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct CutOff {
    /// In which pause of the utterance; `None` where there was none.
    pub(super) pause: Option<usize>,
    /// From the last speech to when it was noticed here.
    pub(super) after_ms: f64,
}

/// The pauses after which the agent took the turn, each once.
///
/// What counts: a *final* transcript of the person's words, or an audible frame of the agent's voice, that arrives while the
/// utterance still has speech to come; and a final transcript that another one of the same utterance follows until `until`.
/// It is put down to the last pause that had begun 100 ms before. Partial transcripts, and answers that are prepared but not heard,
/// do not count.
pub(super) fn cut_offs(said: &Said, tape: &Tape, until: Duration) -> Vec<CutOff> {
    let finals: Vec<Duration> = tape
        .signs_within(said.begun, until)
        .filter(|(_, sign)| matches!(sign, Sign::Words(_)))
        .map(|(at, _)| at)
        .collect();
    let followed = finals.len().saturating_sub(1);
    let committed = finals.iter().enumerate().filter(|(place, at)| **at < said.ended || *place < followed);
    let heard = tape.frames_within(said.begun, said.ended.saturating_sub(FRAME)).iter();
    let heard = heard.filter(|frame| frame.is_audible()).map(|frame| frame.at);
    let mut moments: Vec<Duration> = committed.map(|(_, at)| *at).chain(heard).collect();
    moments.sort_unstable();
    let mut cut_offs: Vec<CutOff> = Vec::new();
    for moment in moments {
        let pause = said.pauses.iter().rposition(|(begun, _)| *begun + SOONEST_PAUSE <= moment);
        if cut_offs.iter().all(|known| known.pause != pause) {
            let from = pause.map_or(said.begun, |pause| said.pauses[pause].0);
            cut_offs.push(CutOff { pause, after_ms: ms(moment - from) });
        }
    }
    cut_offs
}

/// From the last frame of speech to the first audible frame of the agent.
pub(super) fn latency(said: &Said, tape: &Tape, until: Duration) -> Option<Duration> {
    let frames = tape.frames_within(said.ended, until);
    frames.iter().find(|frame| frame.is_audible()).map(|frame| frame.at - said.ended)
}

/// Something that sounded while the agent spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overlap {
    pub(super) kind: Kind,
    pub(super) begun: Duration,
    pub(super) ended: Duration,
    /// When something else began: what came later is not its doing.
    pub(super) until: Duration,
}

/// What the agent did about an overlap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The answer was heard on.
    WentOn,
    /// The voice stopped, so long after the beginning of the overlap.
    Stopped { after_ms: f64 },
    /// It was meant to stop, and was still heard after [`TOO_LATE`]. So long after the beginning of the overlap it stopped, if
    /// it did.
    Missed { after_ms: Option<f64> },
    /// The answer came to its own end, or broke off, before anything could be seen.
    Inconclusive,
}

/// A turn that ends as interrupted was stopped. Without such an end, a voice that is silent for more than 400 ms and does not
/// come back until `until` was stopped too.
pub(super) fn outcome(overlap: &Overlap, tape: &Tape) -> Outcome {
    let Overlap { begun, until, .. } = *overlap;
    let end = tape.turn_at(begun).and_then(|turn| tape.end_of(turn, begun, until));
    let stopped = match end {
        Some((_, "completed")) if overlap.kind != Kind::Interruption => return Outcome::WentOn,
        Some((at, "completed")) if at < begun + TOO_LATE => return Outcome::Inconclusive,
        Some((_, "completed")) => return Outcome::Missed { after_ms: None },
        Some((at, "interrupted")) => Some(last_audible(tape, begun, (at + UNDER_WAY).min(until.max(at)))),
        Some(_) => return Outcome::Inconclusive,
        None => {
            let last = last_audible(tape, begun, until);
            (until.saturating_sub(last) > SILENCE).then_some(last)
        }
    };
    match stopped {
        None if overlap.kind == Kind::Interruption && until < begun + TOO_LATE => Outcome::Inconclusive,
        None if overlap.kind == Kind::Interruption => Outcome::Missed { after_ms: None },
        None => Outcome::WentOn,
        Some(last) if overlap.kind == Kind::Interruption && last > begun + TOO_LATE => {
            Outcome::Missed { after_ms: Some(ms(last - begun)) }
        }
        Some(last) => Outcome::Stopped { after_ms: ms(last - begun) },
    }
}

/// The end of the last audible frame within; `from` where there is none.
fn last_audible(tape: &Tape, from: Duration, to: Duration) -> Duration {
    let frames = tape.frames_within(from, to);
    frames.iter().rev().find(|frame| frame.is_audible()).map_or(from, |frame| frame.at + FRAME)
}

/// Whether the voice was lowered for an overlap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Duck {
    AfterMs(f64),
    Never,
    /// It had fallen by itself, or nothing was to be heard.
    Unclear,
}

/// From the beginning of an overlap to a voice that is at least 6 dB quieter.
///
/// A voice rises and falls by itself. So what it was is the level that one frame in five of the second before exceeded, and
/// lowered it is from the first frame on after which, for 250 ms, none is louder than 6 dB below that.
pub(super) fn duck(overlap: &Overlap, tape: &Tape) -> Duck {
    let before = tape.frames_within(overlap.begun.saturating_sub(Duration::from_secs(1)), overlap.begun);
    let mut levels: Vec<f32> = before.iter().map(|frame| frame.dbfs).collect();
    levels.sort_by(f32::total_cmp);
    let Some(was) = levels.get(levels.len() * 4 / 5).copied() else { return Duck::Unclear };
    let latest = overlap.begun + DUCKED_WITHIN;
    let mut lowered_from = None;
    for frame in tape.frames_within(overlap.begun, latest + DUCKED_FOR) {
        if frame.dbfs > was - DUCKED_DB {
            lowered_from = None;
            continue;
        }
        let from = *lowered_from.get_or_insert(frame.at);
        if frame.at - from >= DUCKED_FOR - FRAME {
            return match from.saturating_sub(overlap.begun) {
                after if after < SOONEST => Duck::Unclear,
                after if after > DUCKED_WITHIN => Duck::Never,
                after => Duck::AfterMs(ms(after)),
            };
        }
    }
    Duck::Never
}

#[cfg(test)]
mod tests {
    use aether_proto::AgentState;

    use super::*;
    use crate::bench::voice::tape::Frame;

    const LOUD: f32 = -20.0;
    const SILENT: f32 = -90.0;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A tape with stretches of so many milliseconds at these levels.
    fn tape(stretches: &[(u64, f32)], signs: Vec<(u64, Sign)>) -> Tape {
        let mut tape = Tape::new("ada");
        let mut now = 0;
        for (length, dbfs) in stretches {
            for _ in 0..length / 10 {
                tape.frames.push(Frame { at: at(now), dbfs: *dbfs });
                now += 10;
            }
        }
        tape.signs = signs.into_iter().map(|(ms, sign)| (at(ms), sign)).collect();
        tape
    }

    fn words() -> Sign {
        Sign::Words("hello".to_owned())
    }

    fn text() -> Sign {
        Sign::Text { turn: "one".to_owned() }
    }

    fn end(reason: &str) -> Sign {
        Sign::End { turn: "one".to_owned(), reason: reason.to_owned() }
    }

    /// Speech from 1.0 to 5.0 s with pauses from 2.0 to 2.7 and from 3.5 to 4.5 s.
    fn said() -> Said {
        Said { begun: at(1_000), ended: at(5_000), pauses: vec![(at(2_000), at(2_700)), (at(3_500), at(4_500))] }
    }

    #[test]
    fn a_take_is_said_when_its_frames_left_the_microphone() {
        let take = Take { samples: Vec::new(), speech: 2..9, pauses: vec![4..6, 7..8], text: String::new() };
        let departures: Vec<_> = (0..10).map(|frame| at(1_000 + frame * 10)).collect();
        let said = Said::new(&take, &departures);
        assert_eq!((said.begun, said.ended), (at(1_020), at(1_080)));
        assert_eq!(said.pauses, [(at(1_030), at(1_060)), (at(1_060), at(1_080))]);
    }

    #[test]
    fn who_is_answered_once_and_at_the_end_was_not_cut_off() {
        let tape = tape(&[(6_000, SILENT), (500, LOUD)], vec![(5_500, words())]);
        assert_eq!(cut_offs(&said(), &tape, at(9_000)), []);
        assert_eq!(latency(&said(), &tape, at(9_000)), Some(at(1_000)));
    }

    #[test]
    fn a_commit_inside_of_the_utterance_is_a_cut_off_in_the_pause_before_it() {
        for (sign_at, pause, after_ms) in [
            (2_600, Some(0), 600.0),
            (2_900, Some(0), 900.0),
            (3_520, Some(0), 1_520.0),
            (4_100, Some(1), 600.0),
            (1_500, None, 500.0),
        ] {
            let tape = tape(&[(7_000, SILENT)], vec![(sign_at, words()), (5_600, words())]);
            assert_eq!(cut_offs(&said(), &tape, at(9_000)), [CutOff { pause, after_ms }], "{sign_at}");
        }
    }

    #[test]
    fn a_transcript_that_another_one_follows_cut_somebody_off() {
        let tape = tape(&[(7_000, SILENT)], vec![(5_200, words()), (5_900, words())]);
        assert_eq!(cut_offs(&said(), &tape, at(9_000)), [CutOff { pause: Some(1), after_ms: 1_700.0 }]);
        assert_eq!(cut_offs(&said(), &tape, at(5_500)), [], "the second one belongs to something else");
    }

    #[test]
    fn a_voice_inside_of_the_utterance_is_a_cut_off_once_in_each_pause() {
        let tape = tape(&[(2_500, SILENT), (300, LOUD), (1_400, SILENT), (100, LOUD), (900, SILENT)], vec![]);
        let expected = [CutOff { pause: Some(0), after_ms: 500.0 }, CutOff { pause: Some(1), after_ms: 700.0 }];
        assert_eq!(cut_offs(&said(), &tape, at(9_000)), expected);
    }

    #[test]
    fn thinking_aloud_is_no_cut_off() {
        let signs = vec![(2_500, Sign::State(AgentState::Thinking)), (2_600, text())];
        assert_eq!(cut_offs(&said(), &tape(&[(7_000, SILENT)], signs), at(9_000)), []);
    }

    fn overlap(kind: Kind) -> Overlap {
        Overlap { kind, begun: at(2_000), ended: at(2_400), until: at(5_000) }
    }

    #[test]
    fn an_interruption_stops_the_voice_or_is_missed() {
        let judged = |loud_ms: u64, signs: Vec<(u64, Sign)>| {
            let mut all = vec![(100, text())];
            all.extend(signs);
            outcome(&overlap(Kind::Interruption), &tape(&[(loud_ms, LOUD), (6_000 - loud_ms, SILENT)], all))
        };
        let stopped = |after_ms| Outcome::Stopped { after_ms };
        assert_eq!(judged(2_300, vec![(2_250, end("interrupted"))]), stopped(300.0));
        assert_eq!(judged(2_300, vec![]), stopped(300.0), "silence tells it too");
        let late = Outcome::Missed { after_ms: Some(1_600.0) };
        assert_eq!(judged(3_600, vec![(3_550, end("interrupted"))]), late, "too late");
        assert_eq!(judged(6_000, vec![]), Outcome::Missed { after_ms: None });
        assert_eq!(judged(4_000, vec![(3_950, end("completed"))]), Outcome::Missed { after_ms: None });
        assert_eq!(judged(2_900, vec![(2_800, end("completed"))]), Outcome::Inconclusive);
        assert_eq!(judged(2_900, vec![(2_800, end("error"))]), Outcome::Inconclusive);
    }

    #[test]
    fn the_next_answer_does_not_hide_that_the_voice_stopped() {
        let signs = vec![(100, text()), (2_300, end("interrupted"))];
        let tape = tape(&[(2_350, LOUD), (600, SILENT), (3_000, LOUD)], signs);
        assert_eq!(outcome(&overlap(Kind::Interruption), &tape), Outcome::Stopped { after_ms: 350.0 });
    }

    #[test]
    fn what_means_nothing_must_not_stop_the_voice() {
        for kind in [Kind::Backchannel, Kind::Noise, Kind::Echo] {
            let judged = |stretches: &[(u64, f32)], signs: Vec<(u64, Sign)>| {
                let mut all = vec![(100, text())];
                all.extend(signs);
                outcome(&overlap(kind), &tape(stretches, all))
            };
            assert_eq!(judged(&[(6_000, LOUD)], vec![]), Outcome::WentOn);
            assert_eq!(judged(&[(2_300, LOUD), (600, SILENT), (2_100, LOUD)], vec![]), Outcome::WentOn, "it came back");
            let its_end = vec![(2_800, end("completed"))];
            assert_eq!(judged(&[(2_900, LOUD), (2_100, SILENT)], its_end), Outcome::WentOn, "it was heard to its end");
            let stopped = Outcome::Stopped { after_ms: 300.0 };
            assert_eq!(judged(&[(2_300, LOUD), (2_700, SILENT)], vec![]), stopped, "it never came back");
            let interrupted = vec![(2_290, end("interrupted"))];
            assert_eq!(judged(&[(2_300, LOUD), (900, SILENT), (1_800, LOUD)], interrupted), stopped);
        }
    }

    /// A voice that rises and falls every 60 ms, by so much quieter from then on.
    fn voice(lowered_at: u64, lowered_db: f32, lowered_for: u64) -> Tape {
        let mut tape = tape(&[(6_000, LOUD)], vec![]);
        for (place, frame) in tape.frames.iter_mut().enumerate() {
            if place % 12 < 6 {
                frame.dbfs -= 15.0;
            }
            if (at(lowered_at)..at(lowered_at + lowered_for)).contains(&frame.at) {
                frame.dbfs -= lowered_db;
            }
        }
        tape
    }

    #[test]
    fn a_lowered_voice_is_told_from_one_that_falls_by_itself() {
        let ducked = |lowered_at, db, lasts| duck(&overlap(Kind::Backchannel), &voice(lowered_at, db, lasts));
        assert_eq!(ducked(2_500, 0.0, 1_000), Duck::Never);
        assert_eq!(ducked(2_500, 3.0, 1_000), Duck::Never, "not by 6 dB");
        assert_eq!(ducked(2_100, 12.0, 100), Duck::Never, "not for long enough");
        assert_eq!(ducked(3_500, 12.0, 1_000), Duck::Never, "not because of the overlap");
        assert_eq!(ducked(1_990, 12.0, 1_000), Duck::Unclear, "before the overlap was heard");
        for (db, lasts) in [(12.0, 600), (70.0, 3_000)] {
            let Duck::AfterMs(after) = ducked(2_100, db, lasts) else { panic!("a voice that is lowered by {db} dB") };
            assert!((40.0..=100.0).contains(&after), "{after}: within the fall before");
        }
        let nothing = tape(&[], vec![]);
        assert_eq!(duck(&overlap(Kind::Backchannel), &nothing), Duck::Unclear);
    }
}
