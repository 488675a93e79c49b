use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use aether_audio::{FRAME_MS, ROOM_HZ, Resampler, level, pcm16, samples_in_ms, wav};

use super::sound::{self, Chance, FRAME, VOICE_DBFS};
use super::{Background, Part, Question, Voices};
use crate::Error;

/// What is less than this above silence is no speech: 22 dB below the level of the voice. The noisiest of the recordings is
/// 24 dB below it in its pauses.
const SPEECH_DBFS: f32 = VOICE_DBFS - 22.0;
/// So many frames without speech are a pause: 300 ms, less the frame in which it begins.
const PAUSE_FRAMES: usize = (290 / FRAME_MS) as usize;
/// Levels are smoothed over so many frames before pauses are looked for, so that a crackle does not cut one in two.
const SMOOTHED_FRAMES: usize = 5;
/// How far from the place that was named a gap between words is looked for.
const GAP_WITHIN_MS: u32 = 200;
/// How long the gap is to be.
const GAP_MS: u32 = 30;
/// A pause is not digitally silent: a room is.
const ROOM_TONE_DBFS: f32 = -66.0;
/// Noise is there before the voice and after it.
const NOISE_BEFORE_MS: u32 = 500;
const NOISE_AFTER_MS: u32 = 1_000;
const FADE_MS: u32 = 5;
/// Who talks in the background.
const BABBLERS: [&str; 4] = ["LJ001-0016.wav", "LJ001-0019.wav", "arctic_a0009.wav", "LJ001-0021.wav"];

/// Something that can be said, and where in it what is.
#[derive(Debug, Clone)]
pub(crate) struct Take {
    /// 48 kHz mono.
    pub(crate) samples: Vec<i16>,
    /// From the first to the last frame of speech, in frames of 10 ms.
    pub(crate) speech: Range<usize>,
    /// Stretches inside of it of at least 300 ms without speech, in frames.
    pub(crate) pauses: Vec<Range<usize>>,
    /// What is said; empty where that is not known.
    pub(crate) text: String,
}

/// Makes sound of a script.
pub(crate) struct Studio {
    folder: PathBuf,
    /// What is said in each recording.
    texts: BTreeMap<String, String>,
    voices: Voices,
    recordings: BTreeMap<String, Vec<f32>>,
    chance: Chance,
}

impl Studio {
    pub(crate) fn open(folder: &Path, voices: Voices, seed: u64) -> Result<Self, Error> {
        Ok(Self {
            folder: folder.to_owned(),
            texts: transcripts(folder)?,
            voices,
            recordings: BTreeMap::new(),
            chance: Chance::new(seed),
        })
    }

    /// An utterance as the microphone takes it.
    pub(crate) async fn question(&mut self, question: &Question) -> Result<Take, Error> {
        let (dry, text) = self.assemble(&question.parts).await?;
        let (speech, pauses) = speech_and_pauses(&dry);
        let mut wet = if question.far { sound::from_afar(&dry, &mut self.chance) } else { dry };
        let mut before = 0;
        if let Some(background) = question.noise {
            before = self.add_background(&mut wet, background)?;
        }
        let moved = |range: Range<usize>| range.start + before..range.end + before;
        Ok(Take {
            samples: pcm16::from_f32(&wet),
            speech: moved(speech),
            pauses: pauses.into_iter().map(moved).collect(),
            text,
        })
    }

    /// Something that sounds while the agent speaks.
    pub(crate) async fn overlap(&mut self, parts: &[Part]) -> Result<Take, Error> {
        let (sound, text) = self.assemble(parts).await?;
        let (speech, pauses) = speech_and_pauses(&sound);
        Ok(Take { samples: pcm16::from_f32(&sound), speech, pauses, text })
    }

    /// When the next thing happens, within a range that begins at 0.
    pub(crate) fn chance(&mut self) -> f32 {
        self.chance.unit()
    }

    async fn assemble(&mut self, parts: &[Part]) -> Result<(Vec<f32>, String), Error> {
        let (mut sound, mut words) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Clip { file, from_s, to_s, text, pauses } => {
                    let recording = self.recording(file)?;
                    let at = |seconds: f32| ((seconds * ROOM_HZ as f32) as usize).min(recording.len());
                    let mut clip = recording[at(*from_s)..at(*to_s)].to_vec();
                    sound::to_level(&mut clip, VOICE_DBFS);
                    let mut pauses = pauses.clone();
                    // From the last to the first, so that none moves the others.
                    pauses.sort_by(|one, other| other.near_s.total_cmp(&one.near_s));
                    for pause in pauses {
                        let silence = self.silence(pause.ms);
                        splice(&mut clip, (pause.near_s * ROOM_HZ as f32) as usize, &silence);
                    }
                    sound.extend(clip);
                    words.extend(text.clone().or_else(|| self.texts.get(file).cloned()));
                }
                Part::Speech { voice, text, words: said } => {
                    let mut speech = self.voices.say(voice, text).await?;
                    trim(&mut speech);
                    sound::to_level(&mut speech, VOICE_DBFS);
                    sound.extend(speech);
                    words.push(said.clone().unwrap_or_else(|| text.clone()));
                }
                Part::Noise { noise } => sound.extend(sound::noise(*noise, &mut self.chance)),
                Part::Pause { ms } => sound.extend(self.silence(*ms)),
            }
        }
        Ok((sound, words.join(" ")))
    }

    fn silence(&mut self, ms: u32) -> Vec<f32> {
        let mut tone = sound::pink(samples_in_ms(ROOM_HZ, ms), &mut self.chance);
        sound::to_level(&mut tone, ROOM_TONE_DBFS);
        tone
    }

    fn recording(&mut self, file: &str) -> Result<&[f32], Error> {
        if !self.recordings.contains_key(file) {
            let path = self.folder.join(file);
            let shown = path.display();
            let bytes = std::fs::read(&path).map_err(Error::io(format!("the recording {shown} can't be read")))?;
            let wav = wav::read(&bytes).map_err(|error| Error::Input(format!("the recording {shown}: {error}")))?;
            let samples = Resampler::convert(&wav.samples, wav.sample_rate_hz, ROOM_HZ);
            let samples = samples.map_err(|error| Error::Input(format!("the recording {shown}: {error}")))?;
            self.recordings.insert(file.to_owned(), samples);
        }
        Ok(self.recordings.get(file).map(Vec::as_slice).unwrap_or_default())
    }

    /// Returns how many frames it puts before the voice.
    fn add_background(&mut self, voice: &mut Vec<f32>, background: Background) -> Result<usize, Error> {
        let mut babblers = Vec::new();
        for file in BABBLERS {
            babblers.push(self.recording(file)?.to_vec());
        }
        let (before, after) = (samples_in_ms(ROOM_HZ, NOISE_BEFORE_MS), samples_in_ms(ROOM_HZ, NOISE_AFTER_MS));
        let voice_dbfs = sound::active_dbfs(voice);
        let mut noise = sound::hiss(background.kind, before + voice.len() + after, &babblers, &mut self.chance);
        let noise_dbfs = level::rms_dbfs(&noise);
        sound::amplify(&mut noise, voice_dbfs - background.snr_db - noise_dbfs);
        let fade = samples_in_ms(ROOM_HZ, NOISE_BEFORE_MS / 2);
        let len = noise.len();
        for (at, sample) in noise.iter_mut().enumerate() {
            *sample *= (at.min(len - at) as f32 / fade as f32).min(1.0);
        }
        for (place, sample) in noise[before..].iter_mut().zip(voice.iter()) {
            *place += sample;
        }
        *voice = noise;
        Ok(before / FRAME)
    }
}

/// What is said in each recording of a folder: the fourth column of its `manifest.tsv` by the first.
pub(crate) fn transcripts(folder: &Path) -> Result<BTreeMap<String, String>, Error> {
    let manifest = folder.join("manifest.tsv");
    let text = std::fs::read_to_string(&manifest);
    let text = text.map_err(Error::io(format!("the list of recordings {} can't be read", manifest.display())))?;
    let rows = text.lines().skip(1).filter_map(|line| {
        let mut columns = line.split('\t');
        Some((columns.next()?.to_owned(), columns.nth(2)?.to_owned()))
    });
    Ok(rows.collect())
}

/// Takes away the silence around what is said: pauses are as long as the script says.
fn trim(sound: &mut Vec<f32>) {
    let threshold = sound::active_dbfs(sound) - 30.0;
    let loud = |(_, frame): &(usize, &[f32])| level::rms_dbfs(frame) > threshold;
    let first = sound.chunks(FRAME).enumerate().find(loud).map(|(at, _)| at);
    let last = sound.chunks(FRAME).enumerate().rev().find(loud).map(|(at, _)| at);
    if let (Some(first), Some(last)) = (first, last) {
        sound.truncate((last + 1) * FRAME);
        sound.drain(..first * FRAME);
    }
}

/// Puts silence into a recording, at the quietest place near the one that was named.
fn splice(sound: &mut Vec<f32>, near: usize, silence: &[f32]) {
    let (gap, within) = (samples_in_ms(ROOM_HZ, GAP_MS), samples_in_ms(ROOM_HZ, GAP_WITHIN_MS));
    let first = near.saturating_sub(within + gap / 2);
    let last = (near + within).min(sound.len()).saturating_sub(gap / 2);
    let quiet = |at: &usize| level::rms_dbfs(&sound[*at..(*at + gap).min(sound.len())]);
    let places = (first..=last).step_by(FRAME / 2);
    let quietest = places.min_by(|one, other| quiet(one).total_cmp(&quiet(other))).unwrap_or(first);
    let middle = (quietest + gap / 2).min(sound.len());
    let fade = samples_in_ms(ROOM_HZ, FADE_MS);
    let rest = sound.split_off(middle);
    fade_out(sound, fade);
    sound.extend(silence);
    let begin = sound.len();
    sound.extend(rest);
    let end = sound.len();
    for (at, sample) in sound[begin..end.min(begin + fade)].iter_mut().enumerate() {
        *sample *= at as f32 / fade as f32;
    }
}

fn fade_out(sound: &mut [f32], samples: usize) {
    for (at, sample) in sound.iter_mut().rev().take(samples).enumerate() {
        *sample *= at as f32 / samples as f32;
    }
}

/// Where speech begins and ends, and the pauses in it, in frames.
fn speech_and_pauses(sound: &[f32]) -> (Range<usize>, Vec<Range<usize>>) {
    let power: Vec<f32> = sound.chunks(FRAME).map(|frame| 10f32.powf(level::rms_dbfs(frame) / 10.0)).collect();
    let threshold = 10f32.powf(SPEECH_DBFS / 10.0);
    let first = power.iter().position(|power| *power > threshold).unwrap_or_default();
    let end = power.iter().rposition(|power| *power > threshold).map_or(power.len(), |last| last + 1);
    let is_speech = |at: usize| {
        let around = at.saturating_sub(SMOOTHED_FRAMES / 2)..(at + SMOOTHED_FRAMES / 2 + 1).min(power.len());
        power[around.clone()].iter().sum::<f32>() / around.len() as f32 > threshold
    };
    let mut pauses = Vec::new();
    let mut silent_from = None;
    for at in first..end {
        match (is_speech(at), silent_from) {
            (false, None) => silent_from = Some(at),
            (true, Some(from)) => {
                let pause = sharpened(from..at, |frame| power[frame] <= threshold);
                if pause.len() >= PAUSE_FRAMES {
                    pauses.push(pause);
                }
                silent_from = None;
            }
            _ => {}
        }
    }
    (first..end, pauses)
}

/// Gives a pause back what smoothing took from its ends.
fn sharpened(pause: Range<usize>, is_silent: impl Fn(usize) -> bool) -> Range<usize> {
    let before = (1..=SMOOTHED_FRAMES / 2).take_while(|back| pause.start.checked_sub(*back).is_some_and(&is_silent));
    let after = (0..SMOOTHED_FRAMES / 2).take_while(|on| is_silent(pause.end + on));
    pause.start - before.count()..pause.end + after.count()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Context;
    use crate::bench::dialogue::{Hiss, Script};

    fn studio(seed: u64) -> Studio {
        // A second installation finds the first and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/audio"));
        Studio::open(folder, Voices::find(&Context::find().unwrap()).unwrap(), seed).unwrap()
    }

    fn question(parts: &str) -> Question {
        let text = format!("[[dialogue]]\nname = \"one\"\n[[dialogue.question]]\n{parts}\n");
        Script::parse(&text).unwrap().dialogues.remove(0).questions.remove(0)
    }

    fn clip(row: &str) -> Question {
        question(&format!("parts = [{{ clip = \"LJ001-0017.wav\"{row} }}]"))
    }

    fn ms(pauses: &[Range<usize>]) -> Vec<usize> {
        pauses.iter().map(|pause| pause.len() * 10).collect()
    }

    /// Pauses of this length at these places, with a tone as the speech around them.
    fn spliced(length_ms: u32, near_s: &[f32]) -> Vec<Range<usize>> {
        let second = |at: usize| (at as f32 * 0.05).sin() * 0.14;
        let mut sound: Vec<f32> = (0..3 * ROOM_HZ as usize).map(second).collect();
        for near in near_s.iter().rev() {
            splice(&mut sound, (near * ROOM_HZ as f32) as usize, &vec![0.0; samples_in_ms(ROOM_HZ, length_ms)]);
        }
        speech_and_pauses(&sound).1
    }

    #[test]
    fn pauses_are_where_the_script_says_and_as_long() {
        for length_ms in [300, 700, 1_500] {
            let pauses = spliced(length_ms, &[1.0, 2.0]);
            assert_eq!(pauses.len(), 2, "{pauses:?}");
            for (pause, near) in pauses.iter().zip([1_000, 2_000 + length_ms as usize]) {
                assert!((pause.start * 10).abs_diff(near) <= 250, "{pause:?} is not near {near} ms");
                assert!((pause.len() * 10).abs_diff(length_ms as usize) <= 50, "{pause:?} is not {length_ms} ms long");
            }
        }
    }

    #[tokio::test]
    async fn a_recording_is_cut_open_between_words() {
        let mut studio = studio(1);
        let whole = studio.question(&clip("")).await.unwrap();
        assert_eq!(ms(&whole.pauses).len(), 1, "she breathes once: {:?}", ms(&whole.pauses));
        let cut = studio.question(&clip(", pauses = [{ near_s = 1.8, ms = 700 }]")).await.unwrap();
        let lengths = ms(&cut.pauses);
        assert_eq!(lengths.len(), 2, "{lengths:?}");
        // The gap between the words was there before.
        assert!((700..=950).contains(&lengths[0]), "{lengths:?}");
        assert_eq!(cut.samples.len(), whole.samples.len() + samples_in_ms(ROOM_HZ, 700));
        assert!(cut.text.starts_with("that the forms of printed letters"));
    }

    #[tokio::test]
    async fn natural_pauses_are_found_in_a_noisy_recording() {
        let asked = question("parts = [{ clip = \"jfk.wav\", to_s = 10.45 }]");
        let take = studio(1).question(&asked).await.unwrap();
        let lengths = ms(&take.pauses);
        assert_eq!(lengths.len(), 3, "{lengths:?}");
        assert!(lengths[0] > 900 && lengths[1] > 700, "{lengths:?}");
    }

    #[tokio::test]
    async fn what_surrounds_a_voice_does_not_move_where_it_begins_and_ends() {
        let mut studio = studio(1);
        let plain = studio.question(&clip("")).await.unwrap();
        let mut noisy = clip("");
        noisy.far = true;
        noisy.noise = Some(Background { kind: Hiss::Babble, snr_db: 10.0 });
        let noisy = studio.question(&noisy).await.unwrap();
        let before = (NOISE_BEFORE_MS / FRAME_MS) as usize;
        assert_eq!(noisy.speech, plain.speech.start + before..plain.speech.end + before);
        assert_eq!(ms(&noisy.pauses), ms(&plain.pauses));
        let around = samples_in_ms(ROOM_HZ, 200);
        assert!(level::rms_dbfs_pcm16(&noisy.samples[around..2 * around]) > -50.0, "noise is there before the voice");
    }

    #[tokio::test]
    async fn the_same_seed_makes_the_same_utterances() {
        let mut asked = clip(", pauses = [{ near_s = 1.8, ms = 700 }]");
        asked.noise = Some(Background { kind: Hiss::Pink, snr_db: 10.0 });
        let made = |seed| {
            let asked = asked.clone();
            async move { studio(seed).question(&asked).await.unwrap().samples }
        };
        assert_eq!(made(3).await, made(3).await);
        assert_ne!(made(3).await, made(4).await);
    }

    #[tokio::test]
    async fn a_synthetic_voice_pauses_exactly_as_long_as_it_is_told() {
        let asked = question(
            "parts = [{ voice = \"en-us+f2\", text = \"I would like to know, um\" }, { pause_ms = 900 }, \
             { voice = \"en-us+f2\", text = \"the capital of France\" }]",
        );
        let take = studio(1).question(&asked).await.unwrap();
        let lengths = ms(&take.pauses);
        assert_eq!(lengths.len(), 1, "{lengths:?}");
        assert!((880..=1_100).contains(&lengths[0]), "{lengths:?}");
    }
}
