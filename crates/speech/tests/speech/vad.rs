use aether_speech::vad::{Model, WINDOW};

use crate::parts::{VAD, clip, home, init_onnx, music, noise, recordings, silence};

/// Probability of each window.
fn probabilities(samples: &[f32]) -> Vec<f32> {
    let mut stream = VAD.stream();
    samples.as_chunks::<WINDOW>().0.iter().map(|window| stream.push(window).unwrap()).collect()
}

/// Which part of the windows is speech.
fn speech_share(samples: &[f32]) -> f32 {
    let probabilities = probabilities(samples);
    probabilities.iter().filter(|probability| **probability > 0.5).count() as f32 / probabilities.len() as f32
}

#[test]
fn every_recording_is_speech() {
    for (file, _) in recordings() {
        let share = speech_share(&clip(&file));
        assert!(share > 0.5, "{file}: {share} of it is speech");
    }
}

#[test]
fn silence_noise_and_music_are_not() {
    for (name, samples) in [
        ("silence", silence(5.0)),
        ("faint noise", noise(5.0, 0.003)),
        ("loud noise", noise(5.0, 0.3)),
        ("music", music(6.0)),
    ] {
        let share = speech_share(&samples);
        assert!(share < 0.05, "{name}: {share} of it is taken for speech");
    }
}

#[test]
fn speech_ends_soon_after_it_ends() {
    let mut samples = clip("cmd11.wav");
    let speech = samples.len() / WINDOW;
    samples.extend(silence(1.0));
    let after = &probabilities(&samples)[speech + 6..];
    assert!(after.iter().all(|probability| *probability < 0.3), "{after:?}");
}

#[test]
fn streams_do_not_hear_each_other() {
    let samples = clip("cmd00.wav");
    let alone = probabilities(&samples);
    let (mut one, mut other) = (VAD.stream(), VAD.stream());
    let mut interleaved = Vec::new();
    for (window, disturbance) in samples.as_chunks::<WINDOW>().0.iter().zip(noise(3.0, 0.5).as_chunks::<WINDOW>().0) {
        interleaved.push(one.push(window).unwrap());
        other.push(disturbance).unwrap();
    }
    assert_eq!(interleaved, alone);
    one.reset();
    assert_eq!(one.push(samples[..WINDOW].try_into().unwrap()).unwrap(), alone[0]);
}

#[test]
fn another_model_is_refused_by_name() {
    init_onnx();
    let voice = home().join("models/en_US-joe-medium/en_US-joe-medium.onnx");
    let error = Model::load(&voice).unwrap_err().to_string();
    assert!(
        error.ends_with("en_US-joe-medium.onnx is not a Silero voice activity model: it has no input `state`"),
        "{error}"
    );
    let settings = home().join("models/en_US-joe-medium/en_US-joe-medium.onnx.json");
    assert!(Model::load(&settings).unwrap_err().to_string().contains("can't be used"));
    let error = Model::load(&home().join("models/nothing.onnx")).unwrap_err().to_string();
    assert!(error.ends_with("get it with `aether models get`"), "{error}");
}
