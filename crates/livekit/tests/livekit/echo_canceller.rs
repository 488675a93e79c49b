//! What is left of the agent's voice in somebody's microphone, and what is left of theirs. Real speech, no server.
//!
//! `cargo test -p aether-livekit --test livekit echo_canceller -- --nocapture` prints what was measured.

use std::time::{Duration, Instant};

use aether_audio::{Resampler, level, pcm16, wav};
use aether_livekit::{EchoCanceller, Error, ffi};

const RATE: u32 = 48_000;
const SECOND: usize = RATE as usize;
const FRAME: usize = 480;

fn load_library() {
    ffi::init(&aether_testkit::layout().library("liblivekit_ffi.so")).unwrap();
}

/// Clips one after the other, at 48 kHz.
fn speech(clips: &[&str]) -> Vec<f32> {
    let clip = |name: &&str| {
        let clip = wav::read(&aether_testkit::audio(name)).unwrap();
        Resampler::convert(&clip.samples, clip.sample_rate_hz, RATE).unwrap()
    };
    clips.iter().flat_map(clip).collect()
}

/// What a microphone hears of it, so much later and so much quieter.
fn echo(voice: &[f32], delay_ms: usize, gain_db: f32) -> Vec<f32> {
    let gain = 10_f32.powf(gain_db / 20.0);
    let delay = delay_ms * SECOND / 1000;
    let later = voice[..voice.len() - delay].iter().map(|sample| sample * gain);
    std::iter::repeat_n(0.0, delay).chain(later).collect()
}

/// A voice that begins after so many samples of silence, as long as the other sound.
fn beginning_at(voice: &[f32], start: usize, length: usize) -> Vec<f32> {
    let silence = std::iter::repeat_n(0.0, start);
    silence.chain(voice.iter().copied()).chain(std::iter::repeat(0.0)).take(length).collect()
}

fn mix(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter().zip(other).map(|(one, other)| one + other).collect()
}

/// Runs both sounds through a canceller and returns what it makes of the microphone's.
fn cancel(canceller: &mut EchoCanceller, played: &[f32], heard: &[f32]) -> Vec<i16> {
    let (played, mut heard) = (pcm16::from_f32(played), pcm16::from_f32(heard));
    for (played, heard) in played.chunks_exact(FRAME).zip(heard.chunks_exact_mut(FRAME)) {
        canceller.played(played).unwrap();
        canceller.heard(heard).unwrap();
    }
    heard
}

/// By how many dB the second is quieter than the first.
fn removed(before: &[f32], after: &[i16]) -> f32 {
    level::rms_dbfs(before) - level::rms_dbfs_pcm16(after)
}

/// How alike two sounds are, from 0 to 1, the second at most 20 ms later; and by how many dB it is louder.
fn likeness(clean: &[f32], heard: &[i16]) -> (f64, f32) {
    let heard = pcm16::to_f32(heard);
    let product = |one: &[f32], other: &[f32]| -> f64 {
        one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
    };
    let alike = |delay: usize| {
        let (clean, heard) = (&clean[..clean.len() - delay], &heard[delay..clean.len()]);
        product(clean, heard) / (product(clean, clean) * product(heard, heard)).sqrt()
    };
    // Every 0.1 ms.
    let best = (0..SECOND / 50).step_by(5).map(alike).fold(0.0, f64::max);
    (best, level::rms_dbfs(&heard) - level::rms_dbfs(clean))
}

#[test]
fn an_echo_is_gone() {
    load_library();
    let voice = speech(&["LJ001-0017.wav", "LJ001-0018.wav"]);
    for (gain_db, delay_ms) in [(-15.0, 30), (-15.0, 120), (-15.0, 300), (-15.0, 450), (-5.0, 120), (0.0, 120)] {
        let echo = echo(&voice, delay_ms, gain_db);
        let left = cancel(&mut EchoCanceller::new(RATE, 1).unwrap(), &voice, &echo);
        let first = removed(&echo[..SECOND], &left[..SECOND]);
        let later = removed(&echo[SECOND..], &left[SECOND..]);
        println!(
            "echo at {gain_db} dB after {delay_ms} ms: {first:.1} dB removed in the first second, {later:.1} after it"
        );
        assert!(first > 15.0 && later > 25.0, "{gain_db} dB, {delay_ms} ms: {first}, {later}");
    }
}

#[test]
fn a_person_is_heard_through_the_echo() {
    load_library();
    let voice = speech(&["LJ001-0017.wav", "LJ001-0018.wav", "LJ001-0019.wav"]);
    let person = speech(&["jfk.wav"]);
    for start in [0, 4 * SECOND] {
        let person = beginning_at(&person, start, voice.len());
        let heard = mix(&person, &echo(&voice, 120, -15.0));
        let left = cancel(&mut EchoCanceller::new(RATE, 1).unwrap(), &voice, &heard);
        let talking = start..start + 10 * SECOND;
        let (alike, louder) = likeness(&person[talking.clone()], &left[talking]);
        println!("a person who begins after {} s: likeness {alike:.3}, {louder:+.1} dB", start / SECOND);
        assert!(alike > 0.8 && louder.abs() < 3.0, "{alike}, {louder}");
    }
}

#[test]
fn nothing_happens_to_a_person_while_nothing_is_played() {
    load_library();
    let person = speech(&["jfk.wav"]);
    let silence = vec![0.0; person.len()];
    let mut canceller = EchoCanceller::new(RATE, 1).unwrap();
    let (alike, louder) = likeness(&person, &cancel(&mut canceller, &silence, &person));
    println!("nothing is played: likeness {alike:.3}, {louder:+.1} dB");
    // The high-pass filter turns the phase of low voices.
    assert!(alike > 0.9 && louder.abs() < 1.0, "{alike}, {louder}");
}

#[test]
fn what_was_learned_outlasts_a_pause_that_nobody_shows_it() {
    load_library();
    let voice = speech(&["LJ001-0017.wav"]);
    let echo = echo(&voice, 120, -15.0);
    let mut canceller = EchoCanceller::new(RATE, 1).unwrap();
    cancel(&mut canceller, &voice, &echo);
    let left = cancel(&mut canceller, &voice, &echo);
    let first = removed(&echo[..SECOND], &left[..SECOND]);
    println!("the same echo again: {first:.1} dB removed in the first second");
    assert!(first > 25.0, "{first}");
}

#[test]
fn silence_stays_silent_and_full_scale_is_survived() {
    load_library();
    let mut canceller = EchoCanceller::new(RATE, 1).unwrap();
    let silence = vec![0.0; 2 * SECOND];
    let left = cancel(&mut canceller, &silence, &silence);
    assert!(level::rms_dbfs_pcm16(&left) < -80.0);
    // A square wave of 200 Hz as loud as numbers go, with echo at the same level.
    let square: Vec<f32> = (0..2 * SECOND).map(|sample| if sample / 120 % 2 == 0 { 1.0 } else { -1.0 }).collect();
    cancel(&mut canceller, &square, &echo(&square, 120, 0.0));
    let voice = speech(&["LJ001-0017.wav"]);
    let echo = echo(&voice, 120, -15.0);
    let left = cancel(&mut canceller, &voice, &echo);
    let later = removed(&echo[3 * SECOND..], &left[3 * SECOND..]);
    assert!(later > 20.0, "it recovers: {later}");
}

#[test]
fn other_formats_are_refused_before_the_library_sees_them() {
    load_library();
    let mut canceller = EchoCanceller::new(RATE, 1).unwrap();
    for length in [0, 1, 479, 481, 960] {
        let mut frame = vec![0; length];
        assert!(matches!(canceller.played(&frame), Err(Error::FrameLength { expected: FRAME, .. })), "{length}");
        let refused = canceller.heard(&mut frame).unwrap_err().to_string();
        assert_eq!(refused, format!("cannot cancel echo in {length} samples at once: 10 ms are 480"));
    }
    for (rate, channels) in [(0, 1), (44_100, 1), (48_001, 1), (48_000, 0), (48_000, 3)] {
        assert!(matches!(EchoCanceller::new(rate, channels), Err(Error::Rejected { .. })), "{rate} {channels}");
    }
    let mut stereo = EchoCanceller::new(16_000, 2).unwrap();
    stereo.played(&[0; 320]).unwrap();
    stereo.heard(&mut [0; 320]).unwrap();
}

/// Measured, not judged: the machine may be busy.
#[test]
fn what_a_frame_costs() {
    load_library();
    let voice = speech(&["LJ001-0017.wav"]);
    let echo = echo(&voice, 120, -15.0);
    let mut canceller = EchoCanceller::new(RATE, 1).unwrap();
    let began = Instant::now();
    cancel(&mut canceller, &voice, &echo);
    let frames = (voice.len() / FRAME) as u32;
    let each = began.elapsed() / frames;
    println!("{frames} pairs of frames: {each:?} each");
    assert!(each < Duration::from_millis(5), "{each:?} of 10 ms");
}
