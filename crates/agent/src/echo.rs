//! Takes the agent's own voice out of a microphone that hears it through a loudspeaker.
//!
//! Echo comes back through two networks and a sound card, 50 to 400 ms later. A canceller that has learned the way removes
//! nearly all of it, but the way changes: networks buffer more after a hiccup and catch up again, above all in the first
//! seconds of a call and from answer to answer. Then a canceller lets echo through for a second or two. One that is new lets
//! nothing through for half a second, not even much of a person. So a new one is tried beside the one in use whenever
//! the voice begins, and again and again while the one in use is itself young. Of each frame the quieter result counts,
//! and the one in use is replaced by one that lets less than half through.

use std::sync::Arc;

use aether_livekit::{EchoCanceller, Error};
use aether_voice::media::{FRAME_SAMPLES, SAMPLE_RATE_HZ};

use crate::far_end::{FarEnd, Sound};

/// A canceller is young until it has heard so much of the voice: 3 s.
const YOUNG_FRAMES: u32 = 300;
/// How long a trial lasts: 1 s, beside a young canceller 0.7 s, for then it is the fresh one's first moments that count. Both
/// were found by replaying echo from rooms on an overloaded machine; longer and shorter ones let more echo or less of a person
/// through.
const TRIAL_FRAMES: u32 = 100;
const YOUNG_TRIAL_FRAMES: u32 = 70;
const SILENCE: [i16; FRAME_SAMPLES] = [0; FRAME_SAMPLES];

/// For one microphone.
#[derive(Debug)]
pub(crate) struct EchoFilter {
    far_end: Arc<FarEnd>,
    in_use: Canceller,
    trial: Option<Trial>,
    is_speaking: bool,
}

#[derive(Debug)]
struct Canceller {
    inner: EchoCanceller,
    /// How much of the voice it knows.
    voice_frames: u32,
}

#[derive(Debug)]
struct Trial {
    canceller: Canceller,
    frames_left: u32,
    /// What it has let through, and what the one in use has.
    energy: f64,
    energy_in_use: f64,
}

impl EchoFilter {
    pub(crate) fn new(far_end: Arc<FarEnd>) -> Result<Self, Error> {
        Ok(Self { far_end, in_use: Canceller::new()?, trial: None, is_speaking: false })
    }

    /// Takes the microphone's frame of this tick, in place. While nothing can echo the frame stays as it is, and costs nothing.
    pub(crate) fn clean(&mut self, frame: &mut [i16], tick: u64) -> Result<(), Error> {
        let voice = match self.far_end.at(tick) {
            Sound::Quiet => return Ok(()),
            Sound::Pause => None,
            Sound::Voice(voice) => Some(voice),
        };
        let begins = voice.is_some() && !self.is_speaking;
        self.is_speaking = voice.is_some();
        if self.trial.is_none() && (begins || self.is_speaking && self.in_use.is_young()) {
            self.trial = Some(Trial::of(Canceller::new()?, &self.in_use));
        }
        self.cancel(voice.as_deref(), frame)
    }

    fn cancel(&mut self, voice: Option<&[i16]>, frame: &mut [i16]) -> Result<(), Error> {
        let Some(mut trial) = self.trial.take() else { return self.in_use.cancel(voice, frame) };
        let mut tried = frame.to_vec();
        self.in_use.cancel(voice, frame)?;
        trial.canceller.cancel(voice, &mut tried)?;
        let (energy, energy_in_use) = (energy(&tried), energy(frame));
        if energy < energy_in_use {
            frame.copy_from_slice(&tried);
        }
        trial.energy += energy;
        trial.energy_in_use += energy_in_use;
        trial.frames_left -= 1;
        if trial.frames_left > 0 {
            self.trial = Some(trial);
        } else if trial.energy * 2.0 < trial.energy_in_use {
            self.in_use = trial.canceller;
        }
        Ok(())
    }
}

impl Canceller {
    fn new() -> Result<Self, Error> {
        Ok(Self { inner: EchoCanceller::new(SAMPLE_RATE_HZ, 1)?, voice_frames: 0 })
    }

    const fn is_young(&self) -> bool {
        self.voice_frames < YOUNG_FRAMES
    }

    fn cancel(&mut self, voice: Option<&[i16]>, frame: &mut [i16]) -> Result<(), Error> {
        self.voice_frames = self.voice_frames.saturating_add(voice.is_some().into());
        self.inner.played(voice.unwrap_or(&SILENCE))?;
        self.inner.heard(frame)
    }
}

impl Trial {
    const fn of(canceller: Canceller, in_use: &Canceller) -> Self {
        let frames_left = if in_use.is_young() { YOUNG_TRIAL_FRAMES } else { TRIAL_FRAMES };
        Self { canceller, frames_left, energy: 0.0, energy_in_use: 0.0 }
    }
}

fn energy(frame: &[i16]) -> f64 {
    frame.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use aether_audio::{Resampler, level, pcm16, wav};

    use super::*;
    use crate::pace::Pace;

    fn speech(clip: &str) -> Vec<f32> {
        let clip = wav::read(&aether_testkit::audio(clip)).unwrap();
        Resampler::convert(&clip.samples, clip.sample_rate_hz, SAMPLE_RATE_HZ).unwrap()
    }

    /// A room in which the agent's voice comes back.
    struct Room {
        start: Instant,
        far_end: Arc<FarEnd>,
        pace: Pace,
        filter: EchoFilter,
        tick: u64,
    }

    impl Room {
        fn open() -> Self {
            aether_livekit::ffi::init(&aether_testkit::layout().library("liblivekit_ffi.so")).unwrap();
            let start = Instant::now();
            let far_end = Arc::new(FarEnd::new(start));
            let filter = EchoFilter::new(Arc::clone(&far_end)).unwrap();
            Self { start, far_end, pace: Pace::new(), filter, tick: 0 }
        }

        fn now(&self) -> Instant {
            self.start + Duration::from_millis(10 * self.tick + 3)
        }

        fn clean(&mut self, frame: &mut [i16]) {
            let tick = self.pace.next(self.far_end.tick(self.now()));
            self.filter.clean(frame, tick).unwrap();
        }

        /// Plays a clip that is heard again at -15 dB after so long, and returns the echo and what was left of it. The
        /// microphone is looked at as a busy machine does it: nine frames in ten late, all at once.
        fn play(&mut self, clip: &str, delay_ms: usize) -> (Vec<i16>, Vec<i16>) {
            let voice = pcm16::from_f32(&speech(clip));
            let mut echo = vec![0; delay_ms * SAMPLE_RATE_HZ as usize / 1000];
            echo.extend(voice.iter().map(|sample| (f32::from(*sample) * 0.178) as i16));
            echo.resize(echo.len().next_multiple_of(10 * FRAME_SAMPLES), 0);
            let mut left = echo.clone();
            let mut heard = left.chunks_exact_mut(FRAME_SAMPLES);
            let mut played = voice.chunks_exact(FRAME_SAMPLES);
            for frame in 0..heard.len() {
                if let Some(voice) = played.next() {
                    self.far_end.played(voice, self.now());
                }
                if frame % 10 == 9 {
                    for frame in heard.by_ref().take(10) {
                        self.clean(frame);
                    }
                }
                self.tick += 1;
            }
            (echo, left)
        }

        /// Nobody speaks. What the microphone hears then is not touched.
        fn wait(&mut self, seconds: u64) {
            for _ in 0..seconds * 100 {
                let mut frame = [100; FRAME_SAMPLES];
                let is_quiet = self.far_end.at(self.tick) == Sound::Quiet;
                self.clean(&mut frame);
                assert!(!is_quiet || frame == [100; FRAME_SAMPLES]);
                self.tick += 1;
            }
        }
    }

    #[test]
    fn an_echo_that_moves_between_answers_stays_away() {
        let mut room = Room::open();
        let answers = [
            ("LJ001-0016.wav", 120),
            ("LJ001-0017.wav", 120),
            ("LJ001-0018.wav", 130),
            ("cmd00.wav", 90),
            ("LJ001-0019.wav", 150),
            ("arctic_a0009.wav", 145),
        ];
        for (clip, delay_ms) in answers {
            let (echo, left) = room.play(clip, delay_ms);
            let second = SAMPLE_RATE_HZ as usize;
            let removed = |range: std::ops::Range<usize>| {
                level::rms_dbfs_pcm16(&echo[range.clone()]) - level::rms_dbfs_pcm16(&left[range])
            };
            let (first, later) = (removed(0..second), removed(second..echo.len()));
            println!("{clip:17} {delay_ms} ms: {first:.1} dB removed in the first second, {later:.1} dB after it");
            assert!(first > 15.0 && later > 20.0, "{clip} {delay_ms} ms: {first:.1}, {later:.1}");
            room.wait(4);
        }
        assert!(room.filter.trial.is_none());
    }
}
