//! `tts.request`: texts spoken over a real NATS by a real voice.

use std::time::{Duration, Instant};

use crate::mouth::{Mouth, PATIENCE, VOICE, context};
use aether_audio::pcm16;
use aether_bus::{CallOptions, Error, Frame};
use aether_proto::{ErrorCode, ReadyReply, ReadyRequest, TtsDone, TtsInput, TtsMark, subject, tts_output::Output};

const TEXT: &str = "The quick brown fox jumps over the lazy dog, and then it sleeps for twenty minutes.";
/// Long enough to be still at it when it is stopped.
fn long_text() -> String {
    TEXT.repeat(30)
}

/// All that came back for one text.
#[derive(Default)]
struct Spoken {
    pcm: Vec<i16>,
    longest_frame: Duration,
    marks: Vec<TtsMark>,
    done: Option<TtsDone>,
    first_pcm: Option<Duration>,
}

async fn speak(mouth: &Mouth, input: TtsInput) -> Result<Spoken, Error> {
    let began = Instant::now();
    let mut call = mouth.call(&context(), input, CallOptions::default()).await?;
    let mut spoken = Spoken::default();
    while let Some(frame) = call.next().await? {
        match frame {
            Frame::Audio(audio) => {
                spoken.first_pcm.get_or_insert_with(|| began.elapsed());
                assert_eq!((audio.sample_rate_hz, audio.channels), (22_050, 1));
                let pcm = pcm16::from_bytes(&audio.pcm).unwrap();
                let length = Duration::from_secs_f64(pcm.len() as f64 / 22_050.0);
                spoken.longest_frame = spoken.longest_frame.max(length);
                spoken.pcm.extend(pcm);
            }
            Frame::Message(message) => match message.output.unwrap() {
                Output::Mark(mark) => spoken.marks.push(mark),
                Output::Done(done) => spoken.done = Some(done),
            },
        }
    }
    Ok(spoken)
}

fn input(text: &str) -> TtsInput {
    TtsInput { text: text.to_owned(), ..TtsInput::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_comes_back_as_speech_with_marks_that_cover_it() {
    let mouth = Mouth::start(4).await;
    let spoken = speak(&mouth, input(TEXT)).await.unwrap();

    let seconds = spoken.pcm.len() as f64 / 22_050.0;
    assert!((3.0..9.0).contains(&seconds), "{seconds} s for {TEXT}");
    let peak = spoken.pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!(peak > 3_000, "that is not loud enough to be speech: {peak}");
    assert!(spoken.longest_frame <= Duration::from_millis(20), "{:?}", spoken.longest_frame);

    let done = spoken.done.unwrap();
    assert!((done.audio_us as f64 / 1e6 - seconds).abs() < 0.001, "{done:?}");
    let first = spoken.marks.first().unwrap();
    let last = spoken.marks.last().unwrap();
    assert_eq!((first.text_start, last.text_end as usize), (0, TEXT.len()), "{:?}", spoken.marks);
    assert!(spoken.marks.len() >= TEXT.split(' ').count(), "{:?}", spoken.marks);
    for pair in spoken.marks.windows(2) {
        assert_eq!(pair[0].text_end, pair[1].text_start, "there is no gap");
        assert!(pair[0].offset_us <= pair[1].offset_us, "{pair:?}");
    }
    assert!(last.offset_us < done.audio_us, "{last:?} {done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn quicker_speech_is_shorter() {
    let mouth = Mouth::start(4).await;
    let slow = speak(&mouth, TtsInput { speed: 0.5, voice: VOICE.to_owned(), ..input(TEXT) }).await.unwrap();
    let quick = speak(&mouth, TtsInput { speed: 2.0, ..input(TEXT) }).await.unwrap();
    let ratio = slow.pcm.len() as f64 / quick.pcm.len() as f64;
    assert!((2.5..6.0).contains(&ratio), "{ratio}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_without_a_word_is_spoken_as_nothing() {
    let mouth = Mouth::start(4).await;
    let spoken = speak(&mouth, input("… — …")).await.unwrap();
    assert!(spoken.done.is_some() && spoken.pcm.len() < 22_050, "{} samples", spoken.pcm.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_text_stops_and_frees_its_place() {
    let mouth = Mouth::start(1).await;
    let mut call = mouth.open(&context(), &long_text(), CallOptions::default()).await.unwrap();
    while !matches!(call.next().await.unwrap(), Some(Frame::Audio(_))) {}
    let began = Instant::now();
    call.cancel();
    let ended = loop {
        match call.next().await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // The only place is free again.
    mouth.idle().await;
    let again = tokio::time::timeout(PATIENCE, speak(&mouth, input("yes"))).await.unwrap();
    assert!(again.unwrap().done.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_frees_its_place_too() {
    let mouth = Mouth::start(1).await;
    let mut call = mouth.open(&context(), &long_text(), CallOptions::default()).await.unwrap();
    call.next().await.unwrap();
    drop(call);
    mouth.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_places_it_is_overloaded_on_both_doors() {
    let mouth = Mouth::start(1).await;
    // Nobody reads, so the credit of one frame keeps the text where it is. A machine that stands still for a moment must not
    // make the caller look dead.
    let options = CallOptions { credit: 1, keepalive: PATIENCE, ..CallOptions::default() };
    let held = mouth.open(&context(), TEXT, options).await.unwrap();
    let refused = match speak(&mouth, input("yes")).await {
        Err(Error::Remote(refused)) => refused,
        other => panic!("a second place: {:?}", other.map(|spoken| spoken.done)),
    };
    assert_eq!(refused.error_code(), ErrorCode::Overloaded);
    assert!(refused.retry_after_ms > 0);
    let answer =
        mouth.http.post(mouth.url("/tts/stream")).json(&serde_json::json!({ "text": "yes" })).send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "1");
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "overloaded");
    drop(held);
    mouth.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_spoken_is_refused_with_the_reason() {
    let mouth = Mouth::start(4).await;
    for (refused, said) in [
        (input(""), "the text is empty; send at least one word"),
        (input(" \n"), "the text is empty; send at least one word"),
        (input(&"long ".repeat(4_000)), "the text is 20000 bytes long, the limit is"),
        (TtsInput { voice: "nobody".to_owned(), ..input("yes") }, "there is no voice `nobody` here"),
        (TtsInput { speed: 100.0, ..input("yes") }, "the speed is 100, expected a number from"),
        (TtsInput { speed: -1.0, ..input("yes") }, "the speed is -1, expected a number from"),
    ] {
        let Err(Error::Remote(error)) = speak(&mouth, refused).await else { panic!("not refused: {said}") };
        assert_eq!(error.error_code(), ErrorCode::InvalidArgument);
        assert!(error.message.starts_with(said), "{}", error.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_text_at_all_ends_well() {
    let mouth = Mouth::start(4).await;
    for text in
        ["[[zzz]]", "a\u{0}b\u{1b}[31m", "日本語 und Ümläute 🦊", "$5.20 at 10:05, Dr. Smith!", "((((", "x\r\ny"]
    {
        let spoken = speak(&mouth, input(text)).await.unwrap();
        for mark in &spoken.marks {
            assert!(text.get(mark.text_start as usize..mark.text_end as usize).is_some(), "{text:?}: {mark:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_survives_a_nats_that_dies_and_comes_back() {
    let mut mouth = Mouth::start(4).await;
    let ready = |mouth: &Mouth| {
        let request = mouth.http.get(mouth.url("/readyz"));
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(ready(&mouth).await, 200);
    mouth.nats.kill().await;
    let gone = async {
        while ready(&mouth).await != 503 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert_eq!(mouth.health.report().waiting_for, ["nats"]);
    mouth.nats.restart().await;
    mouth.ready().await;
    assert!(speak(&mouth, input("yes")).await.unwrap().done.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_finishes_what_it_began_and_stops() {
    let mouth = Mouth::start(4).await;
    let mut call = mouth.open(&context(), TEXT, CallOptions::default()).await.unwrap();
    call.next().await.unwrap();
    mouth.shutdown.cancel();
    while call.next().await.unwrap().is_some() {}
    tokio::time::timeout(PATIENCE, mouth.running).await.unwrap().unwrap().unwrap();
}

/// Not a limit: a number for the table. `cargo test -p aether-tts --test service -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn time_to_first_pcm_over_the_bus() {
    let mouth = Mouth::start(4).await;
    for text in ["Yes, of course.", "I think it will rain this afternoon.", TEXT] {
        let mut times = Vec::new();
        for _ in 0..20 {
            let spoken = speak(&mouth, input(text)).await.unwrap();
            times.push((spoken.first_pcm.unwrap(), spoken.done.unwrap().first_pcm_ms, spoken.done.unwrap().total_ms));
        }
        times.sort_unstable();
        let (p50, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
        println!(
            "{} words: first PCM at the caller p50 {:?} p95 {:?}; inside tts p50 {} ms, whole text {} ms",
            text.split(' ').count(),
            p50.0,
            p95.0,
            p50.1,
            p50.2
        );
    }
}

/// How a session that lost its voice finds out that it is back.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_told_whether_there_is_a_voice() {
    let mouth = Mouth::start(4).await;
    let bus = mouth.bus.clone();
    let ready = async || bus.request::<_, ReadyReply>(&context(), subject::TTS_READY, &ReadyRequest {}).await;
    assert_eq!(ready().await.unwrap(), ReadyReply { ready: true, waiting_for: Vec::new() });

    mouth.shutdown.cancel();
    mouth.running.await.unwrap().unwrap();
    assert!(matches!(ready().await, Err(Error::NoWorker { .. })));
}
