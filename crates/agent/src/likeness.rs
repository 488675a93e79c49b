//! Tells the agent's own voice that comes back through somebody's loudspeakers from somebody who speaks.
//!
//! A room changes how loud a voice is and colours it, and it comes back 50 to 500 ms later; but how it rises and falls, in twelve
//! bands of pitches, stays. So what a microphone has heard lately is laid beside what was played, at each distance in time, and
//! where it fits it is echo. Somebody else's voice does not fit, nor do both together.
//!
//! Nothing is taken out of the sound: whoever listens only knows whose voice it is. While nothing was played, nothing is compared.

use std::collections::VecDeque;
use std::sync::Arc;

use aether_audio::bands::{BANDS, Colour, ColourMeter};

use crate::far_end::FarEnd;

/// So much of the microphone is compared: 400 ms, as far as there is something to hear.
const COMPARED_TICKS: usize = 40;
/// Of less than 250 ms of sound nothing is said: it fits by chance now and then.
const LEAST_TICKS: usize = 25;
/// What is so much quieter than the loudest of it is a gap, dB, and so is what nobody could hear. One beginning is like any other.
const GAP_DB: f32 = 20.0;
const INAUDIBLE_DB: f32 = -60.0;
/// What was heard last is thought to go on for so long in silence: 1 s.
const REMEMBERED_TICKS: u32 = 100;
/// The longest way of an echo: 600 ms.
const LONGEST_WAY_TICKS: usize = 60;
/// From one comparison to the next.
const EVERY_TICKS: u32 = 2;
/// What fits so well is echo, and stays echo until it fits so badly. On recorded speech three echoes in four fit better than
/// 0.94 at any moment, and of somebody who speaks half a second not one in fifty ever fits better than 0.7.
const IS_ECHO: f32 = 0.8;
const IS_ECHO_STILL: f32 = 0.6;

/// For one microphone.
#[derive(Debug)]
pub(crate) struct EchoDetector {
    far_end: Arc<FarEnd>,
    meter: ColourMeter,
    /// The newest last.
    heard: VecDeque<Colour>,
    until_next: u32,
    /// Since there was last enough to hear.
    unknown_for: u32,
    is_echo: bool,
}

impl EchoDetector {
    pub(crate) fn new(far_end: Arc<FarEnd>) -> Self {
        Self {
            far_end,
            meter: ColourMeter::new(),
            heard: VecDeque::with_capacity(COMPARED_TICKS + 1),
            until_next: 0,
            unknown_for: 0,
            is_echo: false,
        }
    }

    /// Takes the microphone's frame of this tick and says whether the agent is what is heard.
    pub(crate) fn is_echo(&mut self, frame: &[i16], tick: u64) -> bool {
        self.heard.push_back(self.meter.push(frame));
        if self.heard.len() > COMPARED_TICKS {
            self.heard.pop_front();
        }
        self.unknown_for = self.unknown_for.saturating_add(1);
        if self.until_next > 0 {
            self.until_next -= 1;
        } else {
            self.until_next = EVERY_TICKS - 1;
            if let Some(likeness) = self.likeness(tick) {
                self.unknown_for = 0;
                self.is_echo = likeness >= if self.is_echo { IS_ECHO_STILL } else { IS_ECHO };
            } else if self.unknown_for > REMEMBERED_TICKS {
                self.is_echo = false;
            }
        }
        self.is_echo
    }

    /// How well what was heard up to this tick fits what was played, where it fits best: 1 is an echo without anything else.
    /// Nothing where there was too little to hear.
    fn likeness(&self, tick: u64) -> Option<f32> {
        let loudness = |colour: &Colour| colour.iter().sum::<f32>() / BANDS as f32;
        let loudest = self.heard.iter().map(loudness).fold(f32::NEG_INFINITY, f32::max);
        let sounds = |colour: &Colour| loudness(colour) >= (loudest - GAP_DB).max(INAUDIBLE_DB);
        let places: Vec<usize> = (0..self.heard.len()).filter(|place| sounds(&self.heard[*place])).collect();
        if places.len() < LEAST_TICKS {
            return None;
        }
        let Some(played) = self.far_end.colours(tick, self.heard.len() + LONGEST_WAY_TICKS) else { return Some(0.0) };
        let heard = changes(places.iter().map(|place| self.heard[*place]));
        let ways = 0..=LONGEST_WAY_TICKS;
        Some(
            ways.map(|way| correlation(&heard, &changes(places.iter().map(|place| played[place + way]))))
                .fold(0.0, f32::max),
        )
    }
}

/// How each band differs from its own mean: neither loudness nor the colour of a room is left.
fn changes(colours: impl ExactSizeIterator<Item = Colour> + Clone) -> Vec<f32> {
    let count = colours.len() as f32;
    let mut means = [0.0; BANDS];
    for colour in colours.clone() {
        means.iter_mut().zip(colour).for_each(|(mean, band)| *mean += band / count);
    }
    colours.flat_map(|colour| std::array::from_fn::<f32, BANDS, _>(|band| colour[band] - means[band])).collect()
}

/// Of two series whose means are zero; 0 where one of them never changes.
fn correlation(one: &[f32], other: &[f32]) -> f32 {
    let product = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f32>();
    let power = product(one, one) * product(other, other);
    if power > f32::EPSILON { product(one, other) / power.sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use aether_audio::{Resampler, pcm16, wav};
    use aether_voice::media::{FRAME_SAMPLES, SAMPLE_RATE_HZ};

    use super::*;

    fn speech(clip: &str) -> Vec<i16> {
        let clip = wav::read(&aether_testkit::audio(clip)).unwrap();
        pcm16::from_f32(&Resampler::convert(&clip.samples, clip.sample_rate_hz, SAMPLE_RATE_HZ).unwrap())
    }

    /// The agent says one clip; the microphone hears it at -15 dB and so late, beside some noise, and perhaps somebody else, half
    /// a second after it. Which frames are taken for echo.
    fn taken_for_echo(played: &str, delay_ms: usize, said: Option<&str>) -> Vec<bool> {
        let start = Instant::now();
        let far_end = Arc::new(FarEnd::new(start));
        let mut detector = EchoDetector::new(Arc::clone(&far_end));
        let voice = speech(played);
        let mut heard = vec![0.0; delay_ms * SAMPLE_RATE_HZ as usize / 1000];
        heard.extend(voice.iter().map(|sample| f32::from(*sample) * 0.178));
        let mut noise = 1u32;
        for sample in &mut heard {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample += (noise >> 16) as f32 / 65_536.0 * 20.0 - 10.0;
        }
        if let Some(said) = said {
            heard.iter_mut().skip(24_000).zip(speech(said)).for_each(|(heard, said)| *heard += f32::from(said));
        }
        let heard: Vec<i16> = heard.into_iter().map(|sample| sample as i16).collect();
        let frame = |samples: &[i16], frame: usize| samples[frame * FRAME_SAMPLES..][..FRAME_SAMPLES].to_vec();
        (0..voice.len() / FRAME_SAMPLES)
            .map(|number| {
                let now = start + Duration::from_millis(10 * number as u64 + 3);
                far_end.played(&frame(&voice, number), now);
                detector.is_echo(&frame(&heard, number), far_end.tick(now))
            })
            .collect()
    }

    fn share(frames: &[bool]) -> f32 {
        frames.iter().filter(|is_echo| **is_echo).count() as f32 / frames.len() as f32
    }

    #[test]
    fn the_agents_own_voice_is_known_from_everybody_elses() {
        let clips =
            ["LJ001-0016.wav", "LJ001-0017.wav", "LJ001-0018.wav", "LJ001-0019.wav", "LJ001-0020.wav", "jfk.wav"];
        for (place, played) in clips.iter().enumerate() {
            for delay_ms in [60, 240, 480] {
                let echo = taken_for_echo(played, delay_ms, None);
                let first = echo.iter().position(|is_echo| *is_echo).map(|frame| frame * 10);
                let share = share(&echo[delay_ms / 10 + 100..]);
                println!("{played:16} {delay_ms} ms: {:3.0} % is echo, from {first:?} ms on", share * 100.0);
                assert!(share > 0.9, "{played} {delay_ms} ms: {share}");
                assert!(first.is_some_and(|first| first <= delay_ms + 800), "{played} {delay_ms} ms: {first:?}");
            }
            let said = clips[(place + 3) % clips.len()];
            let both = taken_for_echo(played, 240, Some(said));
            let until = (50 + speech(said).len() / FRAME_SAMPLES).min(both.len());
            let share = share(&both[100..until]);
            println!("{said:16} over {played}: {:3.0} % is echo", share * 100.0);
            // Where they breathe, the echo is all there is.
            assert!(share < 0.25, "{said} over {played}: {share}");
        }
    }

    #[test]
    fn one_beginning_is_not_taken_for_another() {
        let start = Instant::now();
        let far_end = Arc::new(FarEnd::new(start));
        let mut detector = EchoDetector::new(Arc::clone(&far_end));
        let (voice, said) = (speech("LJ001-0016.wav"), speech("cmd11.wav"));
        // What a microphone gives while nobody speaks, and then both begin.
        let quiet: [i16; FRAME_SAMPLES] = std::array::from_fn(|sample| i16::from(sample % 7 == 0));
        for number in 0..300usize {
            let now = start + Duration::from_millis(10 * number as u64 + 3);
            if let Some(voice) = number.checked_sub(100).and_then(|place| voice.chunks_exact(FRAME_SAMPLES).nth(place))
            {
                far_end.played(voice, now);
            }
            let heard = number.checked_sub(104).and_then(|place| said.chunks_exact(FRAME_SAMPLES).nth(place));
            assert!(!detector.is_echo(heard.unwrap_or(&quiet), far_end.tick(now)), "after {number} frames");
        }
    }

    #[test]
    fn silence_is_no_echo_and_nothing_is_compared_with_nothing() {
        let start = Instant::now();
        let far_end = Arc::new(FarEnd::new(start));
        let mut detector = EchoDetector::new(Arc::clone(&far_end));
        for frame in 0..300 {
            let now = start + Duration::from_millis(10 * frame);
            if frame > 100 {
                far_end.played(&[(frame as i16 % 7) * 1_000; FRAME_SAMPLES], now);
            }
            assert!(!detector.is_echo(&[0; FRAME_SAMPLES], far_end.tick(now)));
        }
    }
}
