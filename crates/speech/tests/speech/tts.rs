use std::time::{Duration, Instant};

use aether_audio::level::rms_dbfs_pcm16;
use aether_speech::tts::{Chunk, Options, Voice};
use tokio_util::sync::CancellationToken;

use crate::parts::{VOICE, at_recognition_rate, home, init_onnx, speak, transcribe, voice_options, word_errors};

#[tokio::test]
async fn what_is_spoken_is_understood() {
    // The voice never says a thing twice the same way, so one in five words may be misheard; usually it is one in twenty. What
    // was not understood at all, such as a word that Whisper goes on with, is said again, as to a person.
    let (mut wrong, mut said) = (0, 0);
    for (text, as_heard) in [
        ("The weather in Paris is sunny today.", "The weather in Paris is sunny today."),
        ("Hello, my name is Joe. How can I help you?", "Hello, my name is Joe. How can I help you?"),
        ("Please call Dr. Smith before dinner.", "Please call Dr. Smith before dinner."),
        ("The quick brown fox jumps over the lazy dog.", "The quick brown fox jumps over the lazy dog."),
        ("Seven times eight is fifty-six.", "7 times 8 is 56."),
        (
            "I will remind you to buy milk, bread and butter tomorrow morning.",
            "I will remind you to buy milk, bread and butter tomorrow morning.",
        ),
    ] {
        let (mut errors, words) = misheard(text, as_heard).await;
        if 2 * errors > words {
            errors = misheard(text, as_heard).await.0;
        }
        wrong += errors;
        said += words;
    }
    assert!((wrong as f32) < 0.2 * said as f32, "{wrong} of {said} words misheard");
}

/// Of how many words how many were heard otherwise than they would be written.
async fn misheard(text: &str, as_heard: &str) -> (usize, usize) {
    let (samples, _) = speak(text).await;
    let heard = transcribe(at_recognition_rate(&samples)).await;
    let (errors, words) = word_errors(as_heard, &heard.text);
    println!("{errors}/{words}: {}", heard.text);
    assert!(heard.is_speech(), "{heard:?}");
    (errors, words)
}

#[tokio::test]
async fn numbers_are_said_as_people_say_them() {
    let (samples, _) = speak("The ticket costs $5.20 and the train leaves at 10:05.").await;
    let heard = transcribe(at_recognition_rate(&samples)).await.text;
    let digits: String = heard.chars().filter(char::is_ascii_digit).collect();
    // The voice never says it twice alike, and "cents and" may be understood as the second "and" alone.
    assert!(digits.starts_with("520") || heard.contains("five dollars and twenty"), "{heard}");
    assert!(digits.ends_with("1005") || heard.contains("ten oh five"), "{heard}");
}

#[tokio::test]
async fn marks_cover_the_text_and_keep_time() {
    let text = "Hello there — it costs $5.20, Dr. Smith! Is that «naïve»?\n";
    let (samples, marks) = speak(text).await;
    assert_eq!(marks.first().unwrap().0, 0);
    assert_eq!(marks.last().unwrap().1, text.len());
    assert!(marks.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].2 <= pair[1].2), "{marks:?}");
    assert!(marks.iter().all(|mark| text.is_char_boundary(mark.0) && text.is_char_boundary(mark.1)));
    let duration_us = samples.len() as u64 * 1_000_000 / u64::from(VOICE.sample_rate_hz());
    assert!(marks.last().unwrap().2 < duration_us);
    assert!(marks.iter().filter(|mark| mark.3).count() > marks.len() / 2, "few exact marks: {marks:?}");
    // The last word starts after most of the sound, not somewhere at the front.
    assert!(marks.last().unwrap().2 > duration_us / 2, "{marks:?} of {duration_us}");
}

#[tokio::test]
async fn marks_point_at_their_words() {
    // The pause after the comma ends where the mark of the next word is.
    let text = "Yes, absolutely.";
    let (samples, marks) = speak(text).await;
    let rate = VOICE.sample_rate_hz() as usize;
    let at = |us: u64| (us as usize * rate / 1_000_000).min(samples.len());
    let word = at(marks[1].2);
    let loud = rms_dbfs_pcm16(&samples[word..(word + rate / 5).min(samples.len())]);
    assert!(loud > -35.0, "only {loud} dBFS where the word should start");
    let heard = transcribe(at_recognition_rate(&samples[word.saturating_sub(rate / 50)..])).await.text.to_lowercase();
    assert!(heard.contains("absolutely") && !heard.contains("yes"), "{heard}");
}

#[tokio::test]
async fn first_sound_leaves_before_the_last_is_computed() {
    assert!(VOICE.streams(), "this voice should be cut for streaming");
    let text = "This is a rather long sentence without any pause that takes a good while to be spoken to its end";
    let started = Instant::now();
    let mut chunks = VOICE.synthesize(text, 1.0, CancellationToken::new());
    let mut first = None;
    let mut samples = 0;
    while let Some(chunk) = chunks.recv().await {
        if let Chunk::Pcm(pcm) = chunk.unwrap() {
            first.get_or_insert((started.elapsed(), pcm.len()));
            samples += pcm.len();
        }
    }
    let (first_after, first_len) = first.unwrap();
    println!("first sound after {first_after:?} of {:?}", started.elapsed());
    assert!(first_len < 5_000 && samples > 60_000, "{first_len} of {samples}");
    assert!(first_after < started.elapsed() / 2);
}

#[tokio::test]
async fn faster_is_shorter() {
    let len = |speed| async move {
        let mut chunks = VOICE.synthesize("How long does this take to say?", speed, CancellationToken::new());
        let mut samples = 0;
        while let Some(chunk) = chunks.recv().await {
            if let Chunk::Pcm(pcm) = chunk.unwrap() {
                samples += pcm.len();
            }
        }
        samples as f32
    };
    let (slow, fast) = (len(0.7).await, len(1.5).await);
    assert!(fast < 0.65 * slow, "{fast} against {slow}");
}

#[tokio::test]
async fn bad_requests_are_refused() {
    for (text, speed, wanted) in [
        ("a".to_owned(), 0.0, "a speed of 0 is out of range; give one from 0.25 to 4"),
        ("a".to_owned(), f32::NAN, "a speed of NaN is out of range; give one from 0.25 to 4"),
        ("a".repeat(70_000), 1.0, "the text has 70000 bytes; at most 65536 are taken at once"),
    ] {
        let mut chunks = VOICE.synthesize(&text, speed, CancellationToken::new());
        assert_eq!(chunks.recv().await.unwrap().unwrap_err().to_string(), wanted);
        assert!(chunks.recv().await.is_none());
    }
}

#[tokio::test]
async fn odd_texts_do_no_harm() {
    for text in
        ["", " ", "...", "😀", "[[zzz]]", "\u{0}\u{1b}[31m", "ß Ω 日本語", "a\u{301}\u{301}\u{301}", "§§§ %%% ###"]
    {
        let (samples, marks) = speak(text).await;
        assert!(text.is_empty() == marks.is_empty(), "{text:?}: {marks:?}");
        assert!(samples.len() < 22_050 * 10, "{text:?}");
    }
    // Still in step after all that.
    let (samples, _) = speak("Everything is fine.").await;
    assert!(transcribe(at_recognition_rate(&samples)).await.text.to_lowercase().contains("fine"));
}

#[tokio::test]
async fn a_cancelled_text_makes_room_at_once() {
    init_onnx();
    let voice = Voice::load(voice_options()).unwrap();
    let cancel = CancellationToken::new();
    let long = "This sentence is spoken again and again until somebody stops it. ".repeat(50);
    let mut chunks = voice.synthesize(&long, 1.0, cancel.clone());
    while !matches!(chunks.recv().await, Some(Ok(Chunk::Pcm(_)))) {}
    cancel.cancel();
    let started = Instant::now();
    let mut next = voice.synthesize("Next.", 1.0, CancellationToken::new());
    while !matches!(next.recv().await, Some(Ok(Chunk::Pcm(_)))) {}
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    // What was made before is still there, then the channel ends.
    while let Some(chunk) = chunks.recv().await {
        chunk.unwrap();
    }
}

#[tokio::test]
async fn a_listener_who_left_holds_nobody_up() {
    init_onnx();
    let voice = Voice::load(voice_options()).unwrap();
    drop(voice.synthesize(&"Nobody listens to this any more. ".repeat(50), 1.0, CancellationToken::new()));
    let mut next = voice.synthesize("Next.", 1.0, CancellationToken::new());
    let heard = async { while !matches!(next.recv().await, Some(Ok(Chunk::Pcm(_)))) {} };
    tokio::time::timeout(Duration::from_secs(5), heard).await.unwrap();
}

#[test]
fn a_wrong_file_is_refused_by_name() {
    init_onnx();
    let refused = |options: Options| Voice::load(options).unwrap_err().to_string();
    let vad = home().join("models/silero-vad/silero_vad.onnx");
    let error = refused(Options { config: vad.clone(), ..voice_options() });
    assert!(error.contains("no voice settings") || error.contains("is not the settings file"), "{error}");
    let error = refused(Options { onnx: home().join("nothing.onnx"), ..voice_options() });
    assert!(error.contains("nothing.onnx; get it with"), "{error}");
    let error =
        refused(Options { onnx: home().join("models/en_US-joe-medium/en_US-joe-medium.onnx.json"), ..voice_options() });
    assert!(error.contains("can't be used"), "{error}");
    let error = refused(Options { espeak: "no-such-program".into(), ..voice_options() });
    assert!(error.contains("install the package espeak-ng"), "{error}");
}
