use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use aether_proto::AgentState;
use serde::Serialize;
use tokio::time::timeout;

use super::judge::{self, CutOff, Duck, Outcome, Said};
use super::tape::{Sign, Tape};
use crate::Error;
use crate::bench::dialogue::{Dialogue, Kind, Overlap, Part, Question, Studio, Take};
use crate::bench::ms;
use crate::bench::words::Errors;
use crate::person::Person;

/// A complete answer, with the question.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who has not been understood by then is not answered any more.
const UNDERSTOOD_WITHIN: Duration = Duration::from_secs(15);
/// So long after the agent fell silent the person speaks.
const REST: Duration = Duration::from_millis(700);
/// The same after an interruption, which may or may not get an answer of its own.
const LONG_REST: Duration = Duration::from_millis(2_500);
/// So long after the voice was heard first, and after the overlap before, the next one begins.
const FIRST_OVERLAP: Duration = Duration::from_millis(1_200);
const NEXT_OVERLAP: Duration = Duration::from_millis(2_000);
/// Nothing begins at exactly the same place.
const SCATTER: Duration = Duration::from_millis(600);
/// How long what an overlap does is looked for after it.
const WATCHED: Duration = Duration::from_millis(1_800);
/// A voice that is silent then may only have taken a breath.
const WATCHED_IN_SILENCE: Duration = Duration::from_secs(4);
/// Answers may be too short for all overlaps.
const SPARE_PROMPTS: usize = 3;

/// An utterance and its answer.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Answered {
    pub(super) dialogue: String,
    /// `clean`, `far` or `noisy`.
    pub(super) condition: &'static str,
    pub(super) said: String,
    pub(super) understood: String,
    pub(super) errors: Errors,
    /// End of speech → first audible frame; nothing where somebody was cut off, or never answered.
    pub(super) latency_ms: Option<f64>,
    /// How long each pause was.
    pub(super) pauses_ms: Vec<f64>,
    pub(super) cut_offs: Vec<CutOff>,
    /// Where the time went, as the agent says.
    pub(super) stages_ms: BTreeMap<String, f64>,
    /// Why there was no answer.
    pub(super) failed: Option<String>,
}

/// Something that sounded while the agent spoke.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Overlapped {
    pub(super) dialogue: String,
    pub(super) kind: Kind,
    pub(super) what: String,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
    pub(super) lowered: Duck,
    /// Words were made of it.
    pub(super) taken_for: Option<String>,
}

/// What came of one room.
#[derive(Debug, Default)]
pub(super) struct Scenes {
    pub(super) answers: Vec<Answered>,
    pub(super) overlaps: Vec<Overlapped>,
    pub(super) jitter_ms: Vec<f64>,
    /// Overlaps for which no answer was long enough.
    pub(super) not_played: usize,
}

/// One person in one room.
pub(super) struct Scene<'a> {
    person: Person,
    tape: Tape,
    studio: &'a mut Studio,
    dialogue: &'a Dialogue,
    pub(super) scenes: Scenes,
}

impl<'a> Scene<'a> {
    pub(super) fn new(person: Person, studio: &'a mut Studio, dialogue: &'a Dialogue) -> Self {
        let tape = Tape::new(person.identity());
        Self { person, tape, studio, dialogue, scenes: Scenes::default() }
    }

    /// Asks these, and returns how many of them have been asked: all, unless one was not answered. What is left of it must not
    /// be taken for the next one's.
    pub(super) async fn questions(&mut self, questions: &[Question], told: &mut impl FnMut()) -> Result<usize, Error> {
        for (place, question) in questions.iter().enumerate() {
            let take = self.studio.question(question).await?;
            self.rest(REST).await?;
            let said = self.say(&take).await?;
            let over = self.until_over(said.ended).await?;
            let now = self.tape.now();
            let mut answered = self.answered(question, &take, &said, now);
            if !over && answered.failed.is_none() {
                answered.failed = Some(format!("no complete answer within {} s", PATIENCE.as_secs()));
            }
            let failed = answered.failed.is_some();
            self.scenes.answers.push(answered);
            told();
            if failed {
                return Ok(place + 1);
            }
        }
        Ok(questions.len())
    }

    /// Asks for long answers until every overlap has sounded in one.
    pub(super) async fn overlaps(&mut self, told: &mut impl FnMut()) -> Result<(), Error> {
        let mut waiting: VecDeque<&Overlap> = self.dialogue.overlaps.iter().collect();
        let most = self.dialogue.overlaps.len() + SPARE_PROMPTS;
        let prompts = self.dialogue.prompts.iter().cycle().take(most);
        for prompt in prompts {
            if waiting.is_empty() {
                break;
            }
            let take = self.studio.question(prompt).await?;
            self.rest(REST).await?;
            let said = self.say(&take).await?;
            let ended = said.ended;
            let heard = self.until(PATIENCE, |tape| tape.silent_since() > ended).await?;
            let begun = self.tape.now();
            if heard {
                self.speak_over(&mut waiting, begun, told).await?;
            }
            self.until_over(ended).await?;
            let mut answered = self.answered(prompt, &take, &said, begun);
            if let Some(stages) = self.tape.turn_at(begun).and_then(|turn| stages_of(&self.tape, turn)) {
                answered.stages_ms = stages;
            }
            self.scenes.answers.push(answered);
            self.rest(LONG_REST).await?;
        }
        self.scenes.not_played += waiting.len();
        Ok(())
    }

    /// Lets overlaps sound in the answer under way, as long as it lasts.
    async fn speak_over(
        &mut self,
        waiting: &mut VecDeque<&Overlap>,
        begun: Duration,
        told: &mut impl FnMut(),
    ) -> Result<(), Error> {
        let Some(turn) = self.tape.turn_at(begun).map(str::to_owned) else { return Ok(()) };
        let mut next_at = begun + FIRST_OVERLAP;
        while let Some(overlap) = waiting.pop_front() {
            next_at += SCATTER.mul_f32(self.studio.chance());
            let take = match overlap.kind {
                Kind::Echo => None,
                _ => Some(self.studio.overlap(&overlap.parts).await?),
            };
            let is_over = |tape: &Tape| tape.end_of(&turn, begun, Duration::MAX).is_some();
            self.until(PATIENCE, |tape| is_over(tape) || (tape.now() >= next_at && tape.is_audible_at(tape.now())))
                .await?;
            if is_over(&self.tape) {
                waiting.push_front(overlap);
                return Ok(());
            }
            let (begun, ended) = match &take {
                Some(take) => {
                    let said = self.say(take).await?;
                    (said.begun, said.ended)
                }
                None => self.echo(Duration::from_millis(overlap.ms.unwrap_or(4_000).into()), is_over).await?,
            };
            let watched = ended + WATCHED;
            let patience = WATCHED + WATCHED_IN_SILENCE;
            self.until(patience, |tape| is_over(tape) || (tape.now() >= watched && tape.is_audible_at(tape.now())))
                .await?;
            // The last frames of a turn come after the word that it has ended.
            let settled = self.tape.now() + Duration::from_millis(300);
            self.until(PATIENCE, |tape| tape.now() >= settled).await?;
            let what = take.map_or_else(|| "the agent's own voice".to_owned(), |take| name(overlap, &take));
            let outcome = self.judge(overlap.kind, what, begun, ended);
            if outcome == Outcome::Inconclusive {
                // It gets another try in another answer.
                waiting.push_back(overlap);
            } else {
                told();
            }
            if is_over(&self.tape) {
                return Ok(());
            }
            next_at = self.tape.now() + NEXT_OVERLAP.saturating_sub(WATCHED);
        }
        Ok(())
    }

    /// The agent hears itself for so long, or until its answer is over.
    async fn echo(&mut self, lasts: Duration, is_over: impl Fn(&Tape) -> bool) -> Result<(Duration, Duration), Error> {
        let begun = self.tape.now();
        self.person.set_echo(true);
        let heard_out = self.until(PATIENCE, |tape| is_over(tape) || tape.now() >= begun + lasts).await;
        self.person.set_echo(false);
        heard_out?;
        Ok((begun, self.tape.now()))
    }

    fn judge(&mut self, kind: Kind, what: String, begun: Duration, ended: Duration) -> Outcome {
        let overlap = judge::Overlap { kind, begun, ended, until: self.tape.now() };
        let outcome = judge::outcome(&overlap, &self.tape);
        if outcome != Outcome::Inconclusive {
            let words = understood(&self.tape, begun, overlap.until);
            self.scenes.overlaps.push(Overlapped {
                dialogue: self.dialogue.name.clone(),
                kind,
                what,
                outcome,
                lowered: judge::duck(&overlap, &self.tape),
                taken_for: (!words.is_empty()).then_some(words),
            });
        }
        outcome
    }

    fn answered(&self, question: &Question, take: &Take, said: &Said, until: Duration) -> Answered {
        let tape = &self.tape;
        let cut_offs = judge::cut_offs(said, tape, until);
        let latency = judge::latency(said, tape, until);
        let understood = understood(tape, said.begun, until);
        let mut complaints = tape.signs_within(said.begun, until).filter_map(|(_, sign)| match sign {
            Sign::Failed(why) => Some(why.clone()),
            _ => None,
        });
        let failed = match (complaints.next(), latency) {
            (Some(why), _) => Some(why),
            (None, Some(_)) => None,
            (None, None) if understood.is_empty() => Some("nothing was understood".to_owned()),
            (None, None) => Some("understood and not answered".to_owned()),
        };
        let stages = tape.signs_within(said.ended, tape.now()).filter_map(|(_, sign)| match sign {
            Sign::Metrics { stages, .. } => Some(stages.clone()),
            _ => None,
        });
        Answered {
            dialogue: self.dialogue.name.clone(),
            condition: condition(question),
            said: take.text.clone(),
            errors: Errors::between(&take.text, &understood),
            understood,
            latency_ms: latency.filter(|_| cut_offs.is_empty() && failed.is_none()).map(ms),
            pauses_ms: said.pauses.iter().map(|(begun, ended)| ms(*ended - *begun)).collect(),
            cut_offs,
            stages_ms: stages.last().unwrap_or_default(),
            failed,
        }
    }

    /// Says something and goes on listening until the last of it has left the microphone.
    async fn say(&mut self, take: &Take) -> Result<Said, Error> {
        let mut departed = self.person.utter(take.samples.clone()).await?;
        let departures = loop {
            tokio::select! {
                departures = &mut departed => {
                    break departures.map_err(|_| Error::Input("the microphone was taken away".to_owned()))?;
                }
                perceived = self.person.perceive() => self.tape.record(perceived?),
            }
        };
        let departures: Vec<Duration> = departures.into_iter().map(|at| self.tape.time(at)).collect();
        Ok(Said::new(take, &departures))
    }

    /// Waits until nobody has said anything for so long and the agent listens.
    async fn rest(&mut self, rest: Duration) -> Result<(), Error> {
        let begun = self.tape.now();
        let rested = |tape: &Tape| {
            let since = tape.silent_since().max(begun);
            tape.now().saturating_sub(since) >= rest && listens(tape)
        };
        self.until(PATIENCE, rested).await.map(drop)
    }

    /// Follows what comes of an utterance to its end. False when there was none in time.
    async fn until_over(&mut self, ended: Duration) -> Result<bool, Error> {
        let over = move |tape: &Tape| {
            let is_end = |sign: &Sign| matches!(sign, Sign::End { .. } | Sign::Failed(_));
            let signs = || tape.signs_within(ended, Duration::MAX);
            let Some((last_end, _)) = signs().filter(|(_, sign)| is_end(sign)).last() else {
                let understood = signs().any(|(_, sign)| matches!(sign, Sign::Words(_)));
                return !understood && listens(tape) && tape.now() > ended + UNDERSTOOD_WITHIN;
            };
            let silent_since = tape.silent_since().max(last_end);
            listens(tape) && tape.now().saturating_sub(silent_since) >= REST
        };
        self.until(PATIENCE, over).await
    }

    /// Listens until this is so. False when it was not in time.
    async fn until(&mut self, patience: Duration, is_so: impl Fn(&Tape) -> bool) -> Result<bool, Error> {
        let deadline = self.tape.now() + patience;
        while !is_so(&self.tape) {
            if self.tape.now() >= deadline {
                return Ok(false);
            }
            // Also without a frame, time passes.
            if let Ok(perceived) = timeout(Duration::from_millis(20), self.person.perceive()).await {
                self.tape.record(perceived?);
            }
        }
        Ok(true)
    }

    pub(super) async fn leave(mut self) -> Scenes {
        self.scenes.jitter_ms.extend(self.tape.jitter());
        self.person.leave().await;
        self.scenes
    }
}

fn listens(tape: &Tape) -> bool {
    // Before it has said anything about itself, it listens: nobody is let in earlier.
    tape.state().is_none_or(|state| state == AgentState::Listening)
}

fn understood(tape: &Tape, from: Duration, until: Duration) -> String {
    let words: Vec<&str> = tape
        .signs_within(from, until)
        .filter_map(|(_, sign)| match sign {
            Sign::Words(words) => Some(words.as_str()),
            _ => None,
        })
        .collect();
    words.join(" ")
}

fn stages_of(tape: &Tape, wanted: &str) -> Option<BTreeMap<String, f64>> {
    tape.signs.iter().rev().find_map(|(_, sign)| match sign {
        Sign::Metrics { turn, stages } if turn == wanted => Some(stages.clone()),
        _ => None,
    })
}

fn condition(question: &Question) -> &'static str {
    let is_made_noisy =
        |part: &Part| matches!(part, Part::Clip { file, .. } if file.contains("__white") || file.contains("babble"));
    if question.noise.is_some() || question.parts.iter().any(is_made_noisy) {
        "noisy"
    } else if question.far {
        "far"
    } else {
        "clean"
    }
}

fn name(overlap: &Overlap, take: &Take) -> String {
    if !take.text.is_empty() {
        return take.text.clone();
    }
    let noises = overlap.parts.iter().filter_map(|part| match part {
        Part::Noise { noise } => Some(format!("{noise:?}").to_lowercase()),
        _ => None,
    });
    noises.collect::<Vec<_>>().join(", ")
}
