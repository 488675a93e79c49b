use serde::{Deserialize, Serialize};

/// The dialogues that are in the program; `--dialogues` names others.
const BUILT_IN: &str = include_str!("../../../../../tests/dialogues/dialogues.toml");

/// Everything that is said in one measurement.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    #[serde(rename = "dialogue")]
    pub(crate) dialogues: Vec<Dialogue>,
}

/// What is said in one room.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dialogue {
    pub(crate) name: String,
    /// Each is said when the agent listens, and its answer is heard to the end.
    #[serde(default, rename = "question")]
    pub(crate) questions: Vec<Question>,
    /// What is asked to get long answers, in turns, until all overlaps have been played.
    #[serde(default, rename = "prompt")]
    pub(crate) prompts: Vec<Question>,
    /// What sounds while the agent speaks.
    #[serde(default, rename = "overlap")]
    pub(crate) overlaps: Vec<Overlap>,
}

/// An utterance that is to be answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    pub(crate) parts: Vec<Part>,
    /// As from the other end of a room.
    #[serde(default)]
    pub(crate) far: bool,
    /// What else is to be heard, before, during and after.
    pub(crate) noise: Option<Background>,
    /// Belongs to `--quick`.
    #[serde(default)]
    pub(crate) quick: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Overlap {
    pub(crate) kind: Kind,
    /// What sounds; an echo is made of the agent's own voice instead.
    #[serde(default)]
    pub(crate) parts: Vec<Part>,
    /// How long an echo lasts.
    pub(crate) ms: Option<u32>,
    #[serde(default)]
    pub(crate) quick: bool,
}

/// What an overlap means, and so what the agent ought to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// "Go on": the answer goes on.
    Backchannel,
    /// Means nothing: the answer goes on.
    Noise,
    /// The agent's own voice: the answer goes on.
    Echo,
    /// Means it: the agent falls silent.
    Interruption,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Backchannel => "backchannel",
            Self::Noise => "noise",
            Self::Echo => "echo",
            Self::Interruption => "interruption",
        }
    }

    /// Whether a person makes it with their voice.
    pub(crate) fn is_speech(self) -> bool {
        matches!(self, Self::Backchannel | Self::Interruption)
    }
}

/// One piece of an utterance.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Row")]
pub(crate) enum Part {
    /// A recording, or the stretch of it from and to these seconds, with silence put into it.
    Clip {
        file: String,
        from_s: f32,
        to_s: f32,
        text: Option<String>,
        pauses: Vec<Splice>,
    },
    /// A synthetic voice: `piper`, or a name that espeak-ng knows.
    Speech {
        voice: String,
        text: String,
        words: Option<String>,
    },
    Noise {
        noise: Noise,
    },
    Pause {
        ms: u32,
    },
}

/// Silence that is put into a recording at the quietest place near `near_s`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Splice {
    /// Seconds from the beginning of what is taken of the recording.
    pub(crate) near_s: f32,
    pub(crate) ms: u32,
}

/// A short noise of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Noise {
    Cough,
    /// A door that falls shut.
    Door,
    /// Somebody types.
    Keys,
    /// A cup is put down hard.
    Cup,
}

/// What is to be heard all the time.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Background {
    pub(crate) kind: Hiss,
    /// How much louder the voice is, in dB.
    pub(crate) snr_db: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Hiss {
    White,
    Pink,
    /// Several people talk elsewhere.
    Babble,
}

/// A part as it is written: one of `clip`, `voice`, `noise` and `pause_ms`, and what goes with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    clip: Option<String>,
    from_s: Option<f32>,
    to_s: Option<f32>,
    #[serde(default)]
    pauses: Vec<Splice>,
    voice: Option<String>,
    text: Option<String>,
    words: Option<String>,
    noise: Option<Noise>,
    pause_ms: Option<u32>,
}

impl TryFrom<Row> for Part {
    type Error = &'static str;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let Row { clip, from_s, to_s, pauses, voice, text, words, noise, pause_ms } = row;
        match (clip, voice, noise, pause_ms) {
            (Some(file), None, None, None) => {
                let (from_s, to_s) = (from_s.unwrap_or_default(), to_s.unwrap_or(f32::INFINITY));
                // Written so that what is no number is refused too.
                if !(from_s >= 0.0 && to_s > from_s) {
                    return Err("a clip ends after it begins: from_s < to_s");
                }
                Ok(Self::Clip { file, from_s, to_s, text, pauses })
            }
            (None, Some(voice), None, None) => {
                Ok(Self::Speech { voice, text: text.ok_or("a voice needs a text")?, words })
            }
            (None, None, Some(noise), None) => Ok(Self::Noise { noise }),
            (None, None, None, Some(ms)) if ms <= 10_000 => Ok(Self::Pause { ms }),
            (None, None, None, Some(_)) => Err("pause_ms is at most 10000"),
            _ => Err("a part is exactly one of clip, voice, noise and pause_ms"),
        }
    }
}

impl Script {
    pub(crate) fn built_in() -> Result<Self, String> {
        Self::parse(BUILT_IN)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let script: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for dialogue in &script.dialogues {
            let wrong = |what: &str| Err(format!("the dialogue {:?} {what}", dialogue.name));
            if !dialogue.overlaps.is_empty() && dialogue.prompts.is_empty() {
                return wrong("has overlaps and no prompt to get an answer with");
            }
            let utterances = dialogue.questions.iter().chain(&dialogue.prompts);
            if utterances.clone().any(|question| question.parts.is_empty()) {
                return wrong("has an utterance without parts");
            }
            if dialogue.overlaps.iter().any(|overlap| (overlap.kind == Kind::Echo) != overlap.parts.is_empty()) {
                return wrong("has an overlap without parts, or an echo with some");
            }
        }
        Ok(script)
    }

    /// What is left of it in a minute.
    #[must_use]
    pub(crate) fn quick(mut self) -> Self {
        for dialogue in &mut self.dialogues {
            dialogue.questions.retain(|question| question.quick);
            dialogue.overlaps.retain(|overlap| overlap.quick);
        }
        self.without_empty()
    }

    /// Only dialogues whose name has this in it.
    #[must_use]
    pub(crate) fn only(mut self, name: &str) -> Self {
        self.dialogues.retain(|dialogue| dialogue.name.contains(name));
        self
    }

    /// Only what tells about the end of a turn.
    #[must_use]
    pub(crate) fn questions_only(mut self) -> Self {
        for dialogue in &mut self.dialogues {
            dialogue.overlaps.clear();
        }
        self.without_empty()
    }

    fn without_empty(mut self) -> Self {
        self.dialogues.retain(|dialogue| !dialogue.questions.is_empty() || !dialogue.overlaps.is_empty());
        self
    }

    /// How many utterances and overlaps it has.
    pub(crate) fn len(&self) -> usize {
        self.dialogues.iter().map(|dialogue| dialogue.questions.len() + dialogue.overlaps.len()).sum()
    }

    /// Every part that is in it.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.dialogues.iter().flat_map(|dialogue| {
            let utterances = dialogue.questions.iter().chain(&dialogue.prompts).flat_map(|question| &question.parts);
            utterances.chain(dialogue.overlaps.iter().flat_map(|overlap| &overlap.parts))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_dialogues_in_the_program_can_be_read_and_every_clip_exists() {
        let script = Script::built_in().unwrap();
        let recordings = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/audio"));
        let manifest = std::fs::read_to_string(recordings.join("manifest.tsv")).unwrap();
        for part in script.parts() {
            if let Part::Clip { file, .. } = part {
                assert!(recordings.join(file).is_file(), "{file}");
                assert!(manifest.lines().any(|line| line.starts_with(&format!("{file}\t"))), "{file} has no licence");
            }
        }
    }

    #[test]
    fn every_kind_of_thing_that_happens_to_a_conversation_is_in_it() {
        let script = Script::built_in().unwrap();
        for script in [script.clone(), script.quick()] {
            let overlaps: Vec<_> = script.dialogues.iter().flat_map(|dialogue| &dialogue.overlaps).collect();
            for kind in [Kind::Backchannel, Kind::Noise, Kind::Echo, Kind::Interruption] {
                assert!(overlaps.iter().any(|overlap| overlap.kind == kind), "{kind:?}");
            }
            let questions: Vec<_> = script.dialogues.iter().flat_map(|dialogue| &dialogue.questions).collect();
            assert!(questions.iter().any(|question| question.far) || questions.iter().any(|one| one.noise.is_some()));
            assert!(script.parts().any(|part| matches!(part, Part::Clip { pauses, .. } if !pauses.is_empty())));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        let question = |part: &str| format!("[[dialogue]]\nname = \"one\"\n[[dialogue.question]]\nparts = [{part}]\n");
        let overlap = |row: &str| {
            let prompt = "[[dialogue.prompt]]\nparts = [{ clip = \"a.wav\" }]\n";
            format!("[[dialogue]]\nname = \"one\"\n{prompt}[[dialogue.overlap]]\n{row}\n")
        };
        for (text, why) in [
            (question(""), "an utterance without parts"),
            (question("{ clip = \"a.wav\", pause_ms = 3 }"), "exactly one of"),
            (question("{ voice = \"en\" }"), "needs a text"),
            (question("{ clip = \"a.wav\", from_s = 2.0, to_s = 1.0 }"), "from_s < to_s"),
            (question("{ clip = \"a.wav\", from_s = nan }"), "from_s < to_s"),
            (question("{ pause_ms = 20000 }"), "at most 10000"),
            (question("{ clap = 1 }"), "unknown field"),
            (overlap("kind = \"noise\""), "without parts"),
            (overlap("kind = \"echo\"\nparts = [{ pause_ms = 1 }]"), "an echo with some"),
            ("[[dialogue]]\nname = \"one\"\n[[dialogue.overlap]]\nkind = \"echo\"\n".to_owned(), "no prompt"),
        ] {
            let error = Script::parse(&text).unwrap_err();
            assert!(error.contains(why), "{why:?} is not in {error:?}");
        }
    }
}
