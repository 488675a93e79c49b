//! Sound out of a seed: noises, and what a room does to a voice. 48 kHz, from -1 to 1.

use std::f32::consts::TAU;

use aether_audio::{FRAME_MS, ROOM_HZ, level, samples_in_ms};

use super::{Hiss, Noise};

/// Samples in a frame of 10 ms.
pub(super) const FRAME: usize = samples_in_ms(ROOM_HZ, FRAME_MS);
/// A voice's level while it sounds, for everybody: so that -45 dBFS means the same for all.
pub(super) const VOICE_DBFS: f32 = -20.0;
/// A voice from the other end of a room is quieter by so much.
const FAR_DB: f32 = -8.0;
/// Until the echoes of a room are gone.
const REVERBERATION_MS: u32 = 300;

/// Chance that comes out the same every time: SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From -1 to 1.
    pub(crate) fn signed(&mut self) -> f32 {
        self.unit() * 2.0 - 1.0
    }

    /// From 0 to 1.
    pub(crate) fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed >> 40) as f32 / (1u64 << 24) as f32
    }
}

pub(super) fn white(samples: usize, chance: &mut Chance) -> Vec<f32> {
    (0..samples).map(|_| chance.signed()).collect()
}

/// Falls by 3 dB an octave: white noise through Kellet's three poles.
pub(super) fn pink(samples: usize, chance: &mut Chance) -> Vec<f32> {
    let mut poles = [0.0f32; 3];
    (0..samples)
        .map(|_| {
            let white = chance.signed();
            poles[0] = 0.997_65 * poles[0] + white * 0.099_046;
            poles[1] = 0.963 * poles[1] + white * 0.296_516_4;
            poles[2] = 0.57 * poles[2] + white * 1.052_691_3;
            poles.iter().sum::<f32>() + white * 0.184_8
        })
        .collect()
}

/// People who talk elsewhere: several voices at once, each from a place of its own.
pub(super) fn babble(samples: usize, voices: &[Vec<f32>], chance: &mut Chance) -> Vec<f32> {
    let mut mixed = vec![0.0; samples];
    for voice in voices.iter().filter(|voice| !voice.is_empty()) {
        let begin = (chance.unit() * voice.len() as f32) as usize;
        for (place, &sample) in mixed.iter_mut().zip(voice.iter().cycle().skip(begin)) {
            *place += sample;
        }
    }
    mixed
}

pub(super) fn hiss(kind: Hiss, samples: usize, voices: &[Vec<f32>], chance: &mut Chance) -> Vec<f32> {
    match kind {
        Hiss::White => white(samples, chance),
        Hiss::Pink => pink(samples, chance),
        Hiss::Babble => babble(samples, voices, chance),
    }
}

/// A short noise, about as loud as a voice.
pub(super) fn noise(noise: Noise, chance: &mut Chance) -> Vec<f32> {
    let mut sound = match noise {
        // Two bursts of breath through a throat.
        Noise::Cough => {
            let mut sound = Vec::new();
            for (ms, decay_ms) in [(180, 60.0), (60, 1.0), (260, 90.0)] {
                let loud = if ms == 60 { 0.0 } else { 1.0 };
                let burst = white(samples_in_ms(ROOM_HZ, ms), chance);
                sound.extend(shaped(burst, 8.0, decay_ms).into_iter().map(|sample| sample * loud));
            }
            band(&sound, 250.0, 3_500.0)
        }
        Noise::Door => {
            let samples = samples_in_ms(ROOM_HZ, 450);
            let thump = (0..samples).map(|at| (TAU * 70.0 * at as f32 / ROOM_HZ as f32).sin());
            let rattle = band(&white(samples, chance), 80.0, 900.0);
            let both = thump.zip(rattle).map(|(thump, rattle)| thump * 0.7 + rattle).collect();
            shaped(both, 2.0, 110.0)
        }
        Noise::Keys => {
            let mut sound = Vec::new();
            for _ in 0..9 {
                let click = white(samples_in_ms(ROOM_HZ, 25), chance);
                sound.extend(shaped(band(&click, 1_200.0, 9_000.0), 0.5, 5.0));
                sound.extend(vec![0.0; samples_in_ms(ROOM_HZ, 60 + (chance.unit() * 110.0) as u32)]);
            }
            sound
        }
        Noise::Cup => {
            let samples = samples_in_ms(ROOM_HZ, 300);
            let ring = (0..samples).map(|at| {
                let second = at as f32 / ROOM_HZ as f32;
                [1_830.0, 2_950.0, 4_410.0].iter().map(|hz| (TAU * hz * second).sin()).sum()
            });
            shaped(ring.collect(), 0.5, 45.0)
        }
    };
    to_level(&mut sound, VOICE_DBFS);
    sound
}

/// The voice from the other end of a room: without its lows and highs, and with the echoes of the walls.
pub(super) fn from_afar(voice: &[f32], chance: &mut Chance) -> Vec<f32> {
    let direct = band(voice, 180.0, 3_600.0);
    let tail = samples_in_ms(ROOM_HZ, REVERBERATION_MS);
    let mut heard = direct.clone();
    heard.resize(voice.len() + tail, 0.0);
    for _ in 0..70 {
        let late = 0.02 + chance.unit() * 0.98;
        let (delay, loud) = ((late * tail as f32) as usize, 0.35 * (-5.0 * late).exp() * chance.signed());
        for (place, sample) in heard[delay..].iter_mut().zip(&direct) {
            *place += loud * sample;
        }
    }
    to_level(&mut heard, VOICE_DBFS + FAR_DB);
    heard
}

/// Rises within `attack_ms` and falls by half every `half_ms` after.
fn shaped(mut sound: Vec<f32>, attack_ms: f32, half_ms: f32) -> Vec<f32> {
    for (at, sample) in sound.iter_mut().enumerate() {
        let ms = at as f32 * 1e3 / ROOM_HZ as f32;
        *sample *= (ms / attack_ms).min(1.0) * (-(ms / half_ms)).exp2();
    }
    sound
}

/// What lies between two frequencies, with slopes of 6 dB an octave.
fn band(sound: &[f32], from_hz: f32, to_hz: f32) -> Vec<f32> {
    let step = |hz: f32| 1.0 - (-TAU * hz / ROOM_HZ as f32).exp();
    let (below, above) = (step(from_hz), step(to_hz));
    let (mut low, mut slow) = (0.0, 0.0);
    let filtered = sound.iter().map(|&sample| {
        low += above * (sample - low);
        slow += below * (low - slow);
        low - slow
    });
    filtered.collect()
}

/// The level of what sounds, in dBFS: of all frames that are within 30 dB of the loudest one.
pub(super) fn active_dbfs(sound: &[f32]) -> f32 {
    let levels: Vec<f32> = sound.chunks(FRAME).map(level::rms_dbfs).collect();
    let loudest = levels.iter().copied().fold(level::SILENCE_DBFS, f32::max);
    let active: Vec<f32> = levels.into_iter().filter(|level| *level > loudest - 30.0).collect();
    let power = active.iter().map(|level| 10f32.powf(level / 10.0)).sum::<f32>() / active.len().max(1) as f32;
    10.0 * power.max(1e-15).log10()
}

pub(super) fn to_level(sound: &mut [f32], dbfs: f32) {
    let active = active_dbfs(sound);
    if active > -100.0 {
        amplify(sound, dbfs - active);
    }
}

pub(super) fn amplify(sound: &mut [f32], db: f32) {
    let gain = 10f32.powf(db / 20.0);
    for sample in sound {
        *sample *= gain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISES: [Noise; 4] = [Noise::Cough, Noise::Door, Noise::Keys, Noise::Cup];

    #[test]
    fn a_seed_always_makes_the_same_sound_and_another_one_another() {
        for kind in NOISES {
            assert_eq!(noise(kind, &mut Chance::new(7)), noise(kind, &mut Chance::new(7)), "{kind:?}");
        }
        assert_ne!(white(100, &mut Chance::new(7)), white(100, &mut Chance::new(8)));
        let mut chance = Chance::new(3);
        let mean = (0..10_000).map(|_| chance.signed()).sum::<f32>() / 10_000.0;
        assert!(mean.abs() < 0.03, "{mean}");
    }

    #[test]
    fn noises_are_as_loud_as_voices_and_can_be_played() {
        for kind in NOISES {
            let sound = noise(kind, &mut Chance::new(1));
            assert!((active_dbfs(&sound) - VOICE_DBFS).abs() < 0.5, "{kind:?}: {}", active_dbfs(&sound));
            assert!(sound.iter().all(|sample| sample.is_finite()), "{kind:?}");
            assert!(level::peak_dbfs(&sound) < 3.0, "{kind:?}");
        }
    }

    #[test]
    fn pink_noise_is_louder_in_its_lows() {
        let sound = pink(ROOM_HZ as usize, &mut Chance::new(1));
        let (low, high) = (band(&sound, 100.0, 400.0), band(&sound, 4_000.0, 16_000.0));
        let evened = white(ROOM_HZ as usize, &mut Chance::new(1));
        let (even_low, even_high) = (band(&evened, 100.0, 400.0), band(&evened, 4_000.0, 16_000.0));
        let slope = |low: &[f32], high: &[f32]| level::rms_dbfs(low) - level::rms_dbfs(high);
        assert!(slope(&low, &high) > slope(&even_low, &even_high) + 8.0);
    }

    #[test]
    fn from_afar_a_voice_is_quieter_and_rings_on() {
        let voice = noise(Noise::Cough, &mut Chance::new(1));
        let far = from_afar(&voice, &mut Chance::new(1));
        assert!((active_dbfs(&far) - (VOICE_DBFS + FAR_DB)).abs() < 0.5);
        assert!(far.len() > voice.len());
    }
}
