//! The models, loaded once for all tests, recordings, and sounds that are none.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use aether_audio::{RECOGNITION_HZ, Resampler, wav};
use aether_speech::onnx::{self, Processor};
use aether_speech::stt::{Options as SttOptions, Priority, Request, Transcriber, Transcript};
use aether_speech::tts::{Chunk, Options as TtsOptions, Voice};
use aether_speech::{end_of_turn, vad};
use tokio_util::sync::CancellationToken;

pub static VAD: LazyLock<vad::Model> = LazyLock::new(|| {
    init_onnx();
    vad::Model::load(&home().join("models/silero-vad/silero_vad.onnx")).unwrap()
});

pub static END_OF_TURN: LazyLock<end_of_turn::Model> = LazyLock::new(|| {
    init_onnx();
    end_of_turn::Model::load(&end_of_turn_file(), Processor::Cpu).unwrap()
});

pub static WHISPER: LazyLock<Transcriber> = LazyLock::new(|| {
    // One thread: the machine that runs the tests has other work.
    let options = SttOptions { threads: 1, ..SttOptions::default() };
    Transcriber::load(&home().join("models/whisper-tiny.en/ggml-tiny.en.bin"), options).unwrap()
});

pub static VOICE: LazyLock<Voice> = LazyLock::new(|| {
    init_onnx();
    Voice::load(voice_options()).unwrap()
});

pub fn voice_options() -> TtsOptions {
    let voice = home().join("models/en_US-joe-medium");
    TtsOptions {
        onnx: voice.join("en_US-joe-medium.onnx"),
        config: voice.join("en_US-joe-medium.onnx.json"),
        espeak: "espeak-ng".into(),
        workers: 1,
        processor: Processor::Cpu,
    }
}

pub fn end_of_turn_file() -> PathBuf {
    home().join("models/smart-turn-v3.2/smart-turn-v3.2-cpu.onnx")
}

pub fn init_onnx() {
    onnx::init(&home().join("parts/lib/libonnxruntime.so")).unwrap();
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().find(|folder| folder.join("Cargo.lock").exists()).unwrap().to_owned()
}

pub fn home() -> PathBuf {
    std::env::var_os("AETHER_HOME").map_or_else(|| root().join(".aether"), PathBuf::from)
}

/// A recording of `tests/audio` at 16 kHz.
pub fn clip(name: &str) -> Vec<f32> {
    let wav = wav::read(&std::fs::read(root().join("tests/audio").join(name)).unwrap()).unwrap();
    Resampler::convert(&wav.samples, wav.sample_rate_hz, RECOGNITION_HZ).unwrap()
}

/// File and text of every recording.
pub fn recordings() -> Vec<(String, String)> {
    let manifest = std::fs::read_to_string(root().join("tests/audio/manifest.tsv")).unwrap();
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        (columns[0].to_owned(), columns[3].to_owned())
    };
    manifest.lines().skip(1).map(row).collect()
}

pub fn silence(seconds: f32) -> Vec<f32> {
    vec![0.0; (seconds * RECOGNITION_HZ as f32) as usize]
}

/// White noise, the same each time.
pub fn noise(seconds: f32, amplitude: f32) -> Vec<f32> {
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    silence(seconds).iter().map(|_| amplitude * next()).collect()
}

/// A hum like a fan's: noise without its upper part.
pub fn hum(seconds: f32, amplitude: f32) -> Vec<f32> {
    let mut level = 0.0;
    noise(seconds, amplitude)
        .into_iter()
        .map(|sample| {
            level += 0.02 * (sample - level);
            level * 8.0
        })
        .collect()
}

/// A chord with a beat, for want of a band.
pub fn music(seconds: f32) -> Vec<f32> {
    let rate = RECOGNITION_HZ as f32;
    let chord = [[220.0, 277.2, 329.6], [196.0, 246.9, 293.7], [174.6, 220.0, 261.6]];
    let sample = |n: usize| {
        let time = n as f32 / rate;
        let beat = time % 0.5;
        let notes = chord[(time / 2.0) as usize % chord.len()];
        let sound: f32 = notes.iter().map(|hz| (std::f32::consts::TAU * hz * time).sin()).sum();
        0.12 * sound * (-3.0 * beat).exp()
    };
    (0..(seconds * rate) as usize).map(sample).collect()
}

/// A burst of noise that dies away, twice.
pub fn cough() -> Vec<f32> {
    let mut sound = silence(0.3);
    for _ in 0..2 {
        let burst = hum(0.35, 0.9).into_iter().zip(noise(0.35, 0.3)).enumerate();
        sound.extend(burst.map(|(n, (low, high))| (low + high) * (-(n as f32) / 1_600.0).exp()));
        sound.extend(silence(0.2));
    }
    sound
}

pub async fn transcribe(samples: Vec<f32>) -> Transcript {
    let request = Request { samples, priority: Priority::Final, lane: 0 };
    WHISPER.transcribe(request, CancellationToken::new()).await.unwrap()
}

/// All of a text's speech: samples, and marks as (start, end, offset, exact).
pub async fn speak(text: &str) -> (Vec<i16>, Vec<(usize, usize, u64, bool)>) {
    let mut chunks = VOICE.synthesize(text, 1.0, CancellationToken::new());
    let (mut samples, mut marks) = (Vec::new(), Vec::new());
    while let Some(chunk) = chunks.recv().await {
        match chunk.unwrap() {
            Chunk::Pcm(pcm) => samples.extend(pcm),
            Chunk::Mark { text_start, text_end, offset_us, exact } => {
                marks.push((text_start, text_end, offset_us, exact))
            }
        }
    }
    (samples, marks)
}

/// Speech of the voice as the recogniser takes it.
pub fn at_recognition_rate(pcm: &[i16]) -> Vec<f32> {
    Resampler::convert(&aether_audio::pcm16::to_f32(pcm), VOICE.sample_rate_hz(), RECOGNITION_HZ).unwrap()
}

/// Words that differ and words said.
pub fn word_errors(said: &str, heard: &str) -> (usize, usize) {
    let (said, heard) = (plain_words(said), plain_words(heard));
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, word) in said.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in heard.iter().enumerate() {
            let substituted = diagonal + usize::from(word != other);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    (row[heard.len()], said.len())
}

fn plain_words(text: &str) -> Vec<String> {
    let letters: String =
        text.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    letters.split_whitespace().map(str::to_owned).collect()
}
