//! `POST /tts/stream` and what else the service shows over HTTP.

use std::time::Duration;

use crate::mouth::{Mouth, PATIENCE, VOICE, options};
use aether_audio::wav;
use serde_json::{Value, json};

const TEXT: &str = "The quick brown fox jumps over the lazy dog.";

#[tokio::test(flavor = "multi_thread")]
async fn json_becomes_a_wav_file() {
    let mouth = Mouth::start(4).await;
    let request = json!({ "text": TEXT, "voice": VOICE, "speed": 1.0, "format": "wav" });
    let answer = mouth.http.post(mouth.url("/tts/stream")).json(&request).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "audio/wav");
    assert_eq!(answer.headers()["transfer-encoding"], "chunked");
    let clip = wav::read(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(clip.sample_rate_hz, 22_050);
    assert!((1.5..6.0).contains(&clip.duration().as_secs_f64()), "{:?}", clip.duration());
    let peak = clip.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!(peak > 0.1, "{peak}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_becomes_bare_pcm_before_it_is_all_spoken() {
    let mouth = Mouth::start(4).await;
    let mut answer = mouth
        .http
        .post(mouth.url("/tts/stream?format=pcm&speed=1.5"))
        .header("content-type", "text/plain; charset=utf-8")
        .body(TEXT.repeat(5))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "audio/pcm;rate=22050;channels=1;encoding=s16le");
    assert_eq!(answer.headers()["aether-sample-rate-hz"], "22050");
    let first = answer.chunk().await.unwrap().unwrap();
    let mut len = first.len();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        len += chunk.len();
    }
    assert!(first.len() < len / 4, "{} of {len} bytes came at once", first.len());
    assert!(len % 2 == 0 && (4.0..20.0).contains(&(len as f64 / 2.0 / 22_050.0)), "{len}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_answered_in_json() {
    let mouth = Mouth::start(4).await;
    let json = "application/json";
    let long = json!({ "text": "long ".repeat(4_000) }).to_string();
    let enormous = json!({ "text": "long ".repeat(40_000) }).to_string();
    for (content_type, body, said) in [
        (json, r#"{"text":""}"#, "the text is empty"),
        (json, r#"{"text":"  "}"#, "the text is empty"),
        (json, r#"{"text":"hi","voice":"nobody"}"#, "there is no voice `nobody` here"),
        (json, r#"{"text":"hi","speed":99}"#, "the speed is 99, expected"),
        (json, r#"{"text":"hi","speed":1e999}"#, "the body is not the JSON that was expected"),
        (json, r#"{"text":"hi","format":"mp3"}"#, "the body is not the JSON that was expected"),
        (json, "{", "the body is not the JSON that was expected"),
        (json, &long, "the text is 20000 bytes long"),
        (json, &enormous, "the body can't be read; send at most"),
        ("text/plain", "", "the text is empty"),
        ("image/png", "x", "the content type is neither application/json nor text/plain"),
    ] {
        let answer = mouth
            .http
            .post(mouth.url("/tts/stream"))
            .header("content-type", content_type)
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{said}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"]["code"], "invalid_argument");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(said), "{message}");
    }
    let answer = mouth.http.get(mouth.url("/tts/stream")).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["message"], "only POST is answered here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_hangs_up_frees_its_place() {
    let mouth = Mouth::start(1).await;
    let mut answer =
        mouth.http.post(mouth.url("/tts/stream")).json(&json!({ "text": TEXT.repeat(60) })).send().await.unwrap();
    answer.chunk().await.unwrap().unwrap();
    drop(answer);
    mouth.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_voice_is_said_on_health_and_found_when_it_comes() {
    let installed = options(1).models;
    let models = tempfile::tempdir().unwrap();
    let options = aether_tts::Options { models: models.path().to_owned(), ..options(1) };
    let mouth = Mouth::begin(options).await;
    let detail = |report: Value| {
        let part = report["parts"].as_array().unwrap().iter().find(|part| part["name"] == "voice").unwrap().clone();
        (part["state"].as_str().unwrap().to_owned(), part["detail"].as_str().unwrap().to_owned())
    };
    let told = async {
        loop {
            let report = mouth.http.get(mouth.url("/health")).send().await.unwrap().json().await.unwrap();
            let (state, detail) = detail(report);
            if state == "down" {
                return detail;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let detail = tokio::time::timeout(PATIENCE, told).await.unwrap();
    assert!(detail.contains(&format!("aether models get {VOICE}")), "{detail}");

    let answer = mouth.http.post(mouth.url("/tts/stream")).json(&json!({ "text": "hi" })).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "tts_unavailable");
    assert_eq!(mouth.http.get(mouth.url("/livez")).send().await.unwrap().status(), 200);

    std::os::unix::fs::symlink(installed.join(VOICE), models.path().join(VOICE)).unwrap();
    mouth.ready().await;
}
