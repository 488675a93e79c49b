use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aether_speech::onnx::Processor;
use aether_speech::stt::{Decoder, Error, Options, Priority, Request, Transcriber, Transcript};
use tokio_util::sync::CancellationToken;

use crate::parts::{WHISPER, clip, cough, home, hum, music, noise, recordings, silence, transcribe, word_errors};

#[tokio::test]
async fn recordings_are_understood() {
    let (mut wrong, mut said) = (0, 0);
    for (file, text) in recordings() {
        let transcript = transcribe(clip(&file)).await;
        let (errors, words) = word_errors(&text, &transcript.text);
        println!("{file}: {errors}/{words} in {:?}: {} {transcript:?}", transcript.decode, transcript.text);
        assert!(transcript.is_speech(), "{file}: {transcript:?}");
        wrong += errors;
        said += words;
    }
    let rate = wrong as f32 / said as f32;
    println!("word error rate {rate}");
    assert!(rate < 0.10, "word error rate {rate}");
}

#[tokio::test]
async fn commands_are_understood_to_the_word() {
    for (file, text) in [("cmd11.wav", "what is seven times eight"), ("cmd12.wav", "remind me to buy milk")] {
        let transcript = transcribe(clip(file)).await;
        assert!(word_errors(text, &transcript.text).0 == 0, "{}", transcript.text);
        assert_eq!(transcript.segments.len(), 1);
        assert!(transcript.segments[0].end_ms > 1_000);
    }
}

#[tokio::test]
async fn what_is_no_speech_is_rejected() {
    let mut wrong = Vec::new();
    for seconds in [0.05, 0.6, 3.0, 8.0] {
        for (name, samples) in [
            ("silence", silence(seconds)),
            ("faint noise", noise(seconds, 0.002)),
            ("noise", noise(seconds, 0.05)),
            ("loud noise", noise(seconds, 0.4)),
            ("faint hum", hum(seconds, 0.01)),
            ("hum", hum(seconds, 0.3)),
            ("music", music(seconds)),
            ("cough", cough()),
        ] {
            let transcript = transcribe(samples).await;
            if transcript.is_speech() {
                wrong.push(format!("{seconds} s of {name}: {:?} {transcript:?}", transcript.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_file_has_segments_with_times() {
    let mut samples = clip("jfk.wav");
    samples.extend(silence(1.0));
    samples.extend(clip("LJ001-0017.wav"));
    samples.extend(clip("LJ001-0021.wav"));
    let clip_ms = samples.len() as u64 / 16;
    let request = Request { samples, priority: Priority::Batch, lane: 1 };
    let transcript = WHISPER.transcribe(request, CancellationToken::new()).await.unwrap();
    assert!(transcript.segments.len() > 2, "{}", transcript.segments.len());
    assert!(transcript.segments.is_sorted_by_key(|segment| segment.start_ms));
    assert!(transcript.segments.iter().all(|segment| segment.start_ms <= segment.end_ms && segment.end_ms <= clip_ms));
    assert!(transcript.text.contains("ask not what your country"), "{}", transcript.text);
    assert!(transcript.text.contains("Gutenberg") || transcript.text.contains("imitation"), "{}", transcript.text);
}

#[tokio::test]
async fn odd_clips_do_no_harm() {
    let mut spoilt = clip("cmd11.wav");
    spoilt[100] = f32::NAN;
    spoilt[5_000] = f32::INFINITY;
    assert!(transcribe(spoilt).await.text.to_lowercase().contains("times"));
    assert!(!transcribe(Vec::new()).await.is_speech());
    let request = Request { samples: silence(601.0), priority: Priority::Final, lane: 0 };
    let error = WHISPER.transcribe(request, CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "the clip is 601 s long; at most 600 s are taken at once");
}

/// A pool of its own, so that the other tests' clips don't stand in line here.
fn own_pool() -> Transcriber {
    let options = Options { threads: 1, states: 1, ..Options::default() };
    Transcriber::load(&home().join("models/whisper-tiny.en/ggml-tiny.en.bin"), options).unwrap()
}

/// Panics over a clip without a sample.
struct PanickingDecoder;

impl Decoder for PanickingDecoder {
    fn decode(&mut self, samples: &[f32], _: Priority, _: &Arc<AtomicBool>) -> Result<Transcript, Error> {
        assert!(!samples.is_empty(), "no sample");
        Err(Error::NoModel(format!("{} samples", samples.len()).into()))
    }
}

#[tokio::test]
async fn a_clip_that_makes_the_decoder_panic_costs_only_itself() {
    let pool = Transcriber::over(vec![PanickingDecoder]).unwrap();
    let transcribe = |samples| {
        let request = Request { samples, priority: Priority::Final, lane: 1 };
        pool.transcribe(request, CancellationToken::new())
    };
    let panicked = transcribe(Vec::new()).await;
    assert!(matches!(panicked, Err(Error::Panicked)), "{panicked:?}");
    let next = transcribe(vec![0.0; 7]).await.unwrap_err().to_string();
    assert!(next.contains("7 samples"), "{next}");
}

/// Hears nothing in a clip, once it is told to.
struct HeldDecoder(std::sync::mpsc::Receiver<()>);

impl Decoder for HeldDecoder {
    fn decode(&mut self, _: &[f32], _: Priority, _: &Arc<AtomicBool>) -> Result<Transcript, Error> {
        self.0.recv().map_err(|_| Error::Stopped)?;
        Ok(Transcript::certain("", Duration::ZERO))
    }
}

#[tokio::test]
async fn a_transcript_tells_how_long_its_clip_is_and_how_long_it_waited() {
    let (go_on, told) = std::sync::mpsc::sync_channel(2);
    let pool = Transcriber::over(vec![HeldDecoder(told)]).unwrap();
    let transcribe = |seconds| {
        let request = Request { samples: silence(seconds), priority: Priority::Final, lane: 1 };
        pool.transcribe(request, CancellationToken::new())
    };
    // Both are in line when the last of the three begins.
    let (first, second, held) = tokio::join!(transcribe(1.0), transcribe(2.5), async {
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(20) {
            tokio::task::yield_now().await;
        }
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        began.elapsed()
    });
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!([first.audio, second.audio], [Duration::from_secs(1), Duration::from_millis(2_500)]);
    assert!(second.waited >= Duration::from_millis(20) && first.waited < second.waited, "{second:?} {held:?}");
}

#[tokio::test]
async fn a_cancelled_clip_makes_room_at_once() {
    let pool = own_pool();
    let long: Vec<f32> = (0..20).flat_map(|_| clip("jfk.wav")).collect();
    let cancel = CancellationToken::new();
    let request = Request { samples: long, priority: Priority::Final, lane: 1 };
    let running = tokio::spawn({
        let (pool, cancel) = (pool.clone(), cancel.clone());
        async move { pool.transcribe(request, cancel).await }
    });
    tokio::task::yield_now().await;
    // Behind it in line: answered only when the long one has let go.
    let short = Request { samples: clip("cmd06.wav"), priority: Priority::Final, lane: 2 };
    let mut next = std::pin::pin!(pool.transcribe(short, CancellationToken::new()));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut next).await.is_err());
    cancel.cancel();
    assert!(matches!(running.await.unwrap(), Err(Error::Cancelled)));
    let next = tokio::time::timeout(Duration::from_secs(30), next).await.unwrap();
    assert!(next.unwrap().text.to_lowercase().contains("stop"));
}

#[tokio::test]
async fn a_dropped_clip_makes_room_at_once() {
    let pool = own_pool();
    let long: Vec<f32> = (0..20).flat_map(|_| clip("jfk.wav")).collect();
    let request = Request { samples: long, priority: Priority::Final, lane: 1 };
    let dropped = tokio::time::timeout(Duration::from_millis(300), pool.transcribe(request, CancellationToken::new()));
    assert!(dropped.await.is_err());
    let short = Request { samples: clip("cmd06.wav"), priority: Priority::Batch, lane: 2 };
    let heard = tokio::time::timeout(Duration::from_secs(30), pool.transcribe(short, CancellationToken::new()));
    assert!(heard.await.unwrap().unwrap().is_speech());
}

#[tokio::test]
async fn two_lanes_take_turns() {
    let pool = own_pool();
    let (order, mut finished) = tokio::sync::mpsc::channel(16);
    let mut tasks = Vec::new();
    // The first clip holds the only state while the others line up, the busy lane's before the quiet one's.
    for lane in [1, 1, 1, 1, 1, 2, 2] {
        let (pool, order) = (pool.clone(), order.clone());
        let samples = clip(if tasks.is_empty() { "jfk.wav" } else { "cmd06.wav" });
        tasks.push(tokio::spawn(async move {
            let request = Request { samples, priority: Priority::Partial, lane };
            pool.transcribe(request, CancellationToken::new()).await.unwrap();
            order.send(lane).await.unwrap();
        }));
        tokio::task::yield_now().await;
    }
    drop(order);
    let mut lanes = Vec::new();
    while let Some(lane) = finished.recv().await {
        lanes.push(lane);
    }
    assert_eq!(lanes, [1, 2, 1, 2, 1, 1, 1]);
}

#[tokio::test]
async fn too_many_waiting_is_refused() {
    let pool = own_pool();
    let requests = (0..80).map(|lane| {
        // The first one holds the only state while the others come; they take no time.
        let samples = if lane == 0 { clip("jfk.wav") } else { silence(0.05) };
        let request = Request { samples, priority: Priority::Partial, lane };
        let pool = pool.clone();
        async move { pool.transcribe(request, CancellationToken::new()).await }
    });
    let all = futures::future::join_all(requests);
    let results = tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    let refused = results.iter().filter(|result| matches!(result, Err(Error::Overloaded { .. }))).count();
    assert!((10..=16).contains(&refused), "{refused} refused");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 80 - refused);
}

#[test]
fn a_wrong_file_is_refused_by_name() {
    let settings = home().join("models/en_US-joe-medium/en_US-joe-medium.onnx.json");
    let error = Transcriber::load(&settings, Options::default()).unwrap_err().to_string();
    assert!(error.contains("is not a ggml Whisper model; remove it and get it again"), "{error}");
    let error = Transcriber::load(&home().join("nothing.bin"), Options::default()).unwrap_err().to_string();
    assert!(error.starts_with("no Whisper model at"), "{error}");
}

#[test]
fn without_a_card_nothing_is_loaded_that_was_to_be_on_one() {
    let model = home().join("models/whisper-tiny.en/ggml-tiny.en.bin");
    let error = Transcriber::load(&model, Options { processor: Processor::Cuda, ..Options::default() }).unwrap_err();
    assert!(matches!(error, Error::BuiltWithoutCuda | Error::NoCard), "{error}");
    assert!(error.to_string().contains("AETHER_CUDA=off"), "{error}");
}
