use std::time::Instant;

use aether_audio::mel::LogMel;
use aether_speech::end_of_turn::{Model, WINDOW};
use aether_speech::onnx::Processor;

use crate::parts::{END_OF_TURN, clip, end_of_turn_file, home, init_onnx, music, noise, recordings, silence};

/// The first part of a recording, and the silence after which the question is asked.
fn up_to(file: &str, share: f32) -> Vec<f32> {
    let samples = clip(file);
    let mut said = samples[..(samples.len() as f32 * share) as usize].to_vec();
    said.extend(silence(0.2));
    said
}

fn probability(samples: &[f32]) -> f32 {
    END_OF_TURN.probability(samples).unwrap()
}

#[test]
fn whole_sentences_are_over_and_broken_off_ones_are_not() {
    const SHARES: [f32; 6] = [0.3, 0.5, 0.7, 0.8, 0.9, 1.0];
    println!("{:29} {}", "probability that it is over at", SHARES.map(|share| format!("{share:5.1}")).concat());
    for (file, text) in recordings() {
        let row = SHARES.map(|share| format!("{:5.2}", probability(&up_to(&file, share)))).concat();
        println!(
            "{file:30}{row}  {}",
            text.split(' ').rev().take(3).fold(String::new(), |end, word| format!("{word} {end}"))
        );
    }
    for file in ["LJ001-0017.wav", "LJ001-0020.wav", "arctic_a0009.wav", "arctic_a0009__far.wav"] {
        assert!(probability(&up_to(file, 1.0)) > 0.8, "{file} is over");
    }
    for file in ["cmd06.wav", "cmd07.wav", "cmd11.wav", "cmd12.wav"] {
        assert!(probability(&up_to(file, 1.0)) > 0.8, "{file} is over");
    }
    for (file, share) in [
        ("jfk.wav", 0.7),        // … ask what you can │ do for your country
        ("LJ001-0016.wav", 0.8), // … and it was nat │ ural therefore
        ("LJ001-0017.wav", 0.8),
        ("LJ001-0018.wav", 0.8),
        ("LJ001-0019.wav", 0.8),
        ("LJ001-0020.wav", 0.7),
        ("LJ001-0022.wav", 0.8),
        ("LJ001-0022__far_babble10.wav", 0.8),
    ] {
        assert!(probability(&up_to(file, share)) < 0.2, "{file} goes on after {share} of it");
    }
}

#[test]
fn a_question_takes_some_tens_of_milliseconds() {
    // One of its own: the others of these tests take turns with the shared one.
    init_onnx();
    let model = Model::load(&end_of_turn_file(), Processor::Cpu).unwrap();
    let sound = &clip("jfk.wav")[..WINDOW];
    let median = |ask: &dyn Fn()| {
        let mut times = [(); 9].map(|()| {
            let started = Instant::now();
            ask();
            started.elapsed()
        });
        times.sort();
        times[times.len() / 2]
    };
    let log_mel = LogMel::new();
    let features = median(&|| drop(log_mel.spectrogram(sound)));
    let whole = median(&|| drop(model.probability(sound)));
    println!("end of turn: {whole:?} a question, {features:?} of it before the network");
    // Twenty times what two busy cores take. Later than that, the pause would be over before the answer.
    assert!(whole.as_millis() < 1_000, "{whole:?}");
}

#[test]
fn whatever_is_heard_gets_a_probability() {
    let mut broken = noise(1.0, 0.1);
    broken[..200].fill(f32::NAN);
    broken[5_000] = f32::INFINITY;
    for (name, samples) in [
        ("nothing", vec![]),
        ("one sample", vec![0.5]),
        ("silence", silence(3.0)),
        ("a tenth of a second", noise(0.1, 0.1)),
        ("a minute", noise(60.0, 0.1)),
        ("music", music(6.0)),
        ("a stuck microphone", vec![1.0; WINDOW]),
        ("far too loud", noise(1.0, f32::MAX)),
        ("what is not a number", vec![f32::NAN; 16_000]),
        ("damaged noise", broken),
    ] {
        let probability = probability(&samples);
        assert!((0.0..=1.0).contains(&probability), "{name}: {probability}");
    }
}

#[test]
fn only_the_last_eight_seconds_count() {
    let recent = &clip("jfk.wav")[..WINDOW];
    let long = [noise(5.0, 0.3), recent.to_vec()].concat();
    assert_eq!(probability(&long), probability(recent));
    let short = up_to("cmd11.wav", 1.0);
    assert_eq!(probability(&[silence(2.0), short.clone()].concat()), probability(&short));
}

#[test]
fn a_quiet_voice_is_as_clear_as_a_loud_one() {
    for (file, share) in [("cmd11.wav", 1.0), ("LJ001-0017.wav", 0.8)] {
        let near = up_to(file, share);
        let far: Vec<f32> = near.iter().map(|sample| 0.1 * sample).collect();
        let (near, far) = (probability(&near), probability(&far));
        assert!((near - far).abs() < 0.1, "{file}: {near} and {far}");
    }
}

#[test]
fn another_model_is_refused_by_name() {
    init_onnx();
    let silero = home().join("models/silero-vad/silero_vad.onnx");
    let error = Model::load(&silero, Processor::Cpu).unwrap_err().to_string();
    assert!(error.ends_with("silero_vad.onnx is not a Smart Turn model: it has no input `input_features`"), "{error}");
    let error = Model::load(&home().join("models/nothing.onnx"), Processor::Cpu).unwrap_err().to_string();
    assert!(error.ends_with("get it with `aether models get`"), "{error}");
}
