//! What Whisper made of a clip, and whether it is to be believed.

use std::io::Write;
use std::time::Duration;

/// Text with its place in the clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub start_ms: u64,
    pub end_ms: u64,
    pub text: String,
}

/// The result of decoding one clip. Not logged and not `Display`: it is what somebody said.
#[derive(Clone, PartialEq)]
pub struct Transcript {
    pub text: String,
    pub segments: Vec<Segment>,
    /// 0 to 1, from the decoder's first step.
    pub no_speech_probability: f32,
    /// Mean of the natural logarithm of each text token's probability; 0 is certainty.
    pub average_log_probability: f32,
    /// How many times smaller the text gets by compression; repetition loops get far.
    pub compression_ratio: f32,
    /// How long the decoder worked on it, waiting not counted.
    pub decode: Duration,
    /// How long the clip had waited for a decoder.
    pub waited: Duration,
    /// How long the clip is.
    pub audio: Duration,
}

/// Above this the text repeats itself; the limit that Whisper's authors chose.
pub(super) const MAX_COMPRESSION_RATIO: f32 = 2.4;

/// Below this the decoder was guessing. Whisper's authors use -1; a far or noisy speaker reaches -0.8.
const MIN_LOG_PROBABILITY: f32 = -1.0;

/// Sentences that subtitles end with. Whisper learnt from them to hear these in a hum or a breath.
const SUBTITLE_LEFTOVERS: &[&str] = &[
    "bye",
    "bye bye",
    "you",
    "the end",
    "so",
    "okay",
    "oh",
    "thank you",
    "thanks",
    "thank you so much",
    "thank you very much",
    "thank you for watching",
    "thanks for watching",
    "thank you for watching and see you next time",
    "please subscribe",
    "subscribe",
    "see you next time",
    "i'll see you next time",
    "we'll be right back",
    "subtitles by the amara org community",
];

impl Transcript {
    /// A clip in which nothing was heard.
    pub(super) fn empty(decode: Duration) -> Self {
        Self {
            text: String::new(),
            segments: Vec::new(),
            no_speech_probability: 1.0,
            average_log_probability: 0.0,
            compression_ratio: 0.0,
            decode,
            waited: Duration::ZERO,
            audio: Duration::ZERO,
        }
    }

    /// Of a clip in which this was heard without any doubt: what a decoder says that answers by a script.
    pub fn certain(text: &str, decode: Duration) -> Self {
        let text = text.to_owned();
        Self { text, no_speech_probability: 0.0, compression_ratio: 1.0, ..Self::empty(decode) }
    }

    /// Whether somebody said this, as far as the decoder's own numbers tell: false for silence, noise, music,
    /// repetition loops and the phrases that Whisper makes up in their place.
    pub fn is_speech(&self) -> bool {
        let words = without_annotations(&self.text);
        let has_words = words.chars().any(char::is_alphanumeric);
        has_words && !self.repeats_itself() && self.is_certain_enough(&words)
    }

    pub(super) fn repeats_itself(&self) -> bool {
        self.compression_ratio > MAX_COMPRESSION_RATIO
    }

    fn is_certain_enough(&self, words: &str) -> bool {
        let certainty = self.average_log_probability;
        if certainty < MIN_LOG_PROBABILITY {
            return false;
        }
        // Both signs together are what Whisper's authors call silence, with milder limits: a room is not a film.
        if self.no_speech_probability > 0.6 && certainty < -0.5 {
            return false;
        }
        if is_subtitle_leftover(words) {
            return self.no_speech_probability < 0.2 && certainty > -0.5;
        }
        true
    }
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Transcript")
            .field("characters", &self.text.chars().count())
            .field("segments", &self.segments.len())
            .field("no_speech_probability", &self.no_speech_probability)
            .field("average_log_probability", &self.average_log_probability)
            .field("compression_ratio", &self.compression_ratio)
            .field("decode", &self.decode)
            .finish()
    }
}

/// How many pieces at the end only say again what was said before them, if that is the same phrase of three pieces or more, two
/// and a half times or more in a row: too short for compression to tell.
pub(super) fn refrain<T: PartialEq>(pieces: &[T]) -> Option<usize> {
    (3..=pieces.len() * 2 / 5).find_map(|period| {
        let end = pieces.iter().rev();
        let again = end.clone().zip(end.skip(period)).take_while(|(piece, before)| piece == before).count();
        (again >= period * 3 / 2).then_some(again)
    })
}

/// Length of the text over its length when compressed; below 1 for short texts.
pub(super) fn compression_ratio(text: &str) -> f32 {
    if text.is_empty() {
        return 0.0;
    }
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing into memory can't fail; if it did, an empty result would make the ratio infinite, which is "repeats".
    let compressed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
    text.len() as f32 / compressed.len() as f32
}

/// Leaves out what describes sound instead of being words: `[BLANK_AUDIO]`, `(upbeat music)`, `*sighs*`, `♪ la la ♪`.
fn without_annotations(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut closing = None;
    for character in text.chars() {
        match (closing, character) {
            (Some(end), _) if character == end => closing = None,
            (Some(_), _) => {}
            (None, '[') => closing = Some(']'),
            (None, '(') => closing = Some(')'),
            (None, '*' | '♪' | '♫') => closing = Some(character),
            (None, _) => words.push(character),
        }
    }
    words
}

fn is_subtitle_leftover(words: &str) -> bool {
    let plain: String =
        words.chars().map(|c| if c.is_alphanumeric() || c == '\'' { c.to_ascii_lowercase() } else { ' ' }).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    SUBTITLE_LEFTOVERS.contains(&plain.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn transcript(text: &str, no_speech_probability: f32, average_log_probability: f32) -> Transcript {
        Transcript {
            text: text.to_owned(),
            no_speech_probability,
            average_log_probability,
            compression_ratio: compression_ratio(text),
            ..Transcript::empty(Duration::ZERO)
        }
    }

    #[test]
    fn words_are_speech() {
        assert!(transcript("What is seven times eight?", 0.05, -0.2).is_speech());
        assert!(transcript("Stop talking.", 0.3, -0.7).is_speech());
        assert!(transcript("Thank you.", 0.02, -0.2).is_speech());
        assert!(transcript("[clears throat] Hello there.", 0.1, -0.4).is_speech());
    }

    #[test]
    fn what_is_no_words_is_no_speech() {
        for text in ["", " . ", "[BLANK_AUDIO]", "(upbeat music)", "*sighs*", "♪ la la la ♪", "[MUSIC PLAYING", "..."]
        {
            assert!(!transcript(text, 0.1, -0.2).is_speech(), "{text}");
        }
    }

    #[test]
    fn guesses_are_no_speech() {
        assert!(!transcript("Thank you.", 0.4, -0.3).is_speech());
        assert!(!transcript("Thanks for watching!", 0.1, -0.8).is_speech());
        assert!(!transcript("We are here to go on.", 0.7, -0.6).is_speech());
        assert!(!transcript("Anything at all.", 0.1, -1.4).is_speech());
    }

    #[test]
    fn repetition_is_no_speech() {
        assert!(!transcript(&"I am going to go. ".repeat(15), 0.1, -0.1).is_speech());
        assert!(compression_ratio("The Middle Ages brought calligraphy to perfection.") < 1.5);
    }

    #[test]
    fn a_phrase_that_comes_again_and_again_is_a_refrain() {
        let phrase = "Hello, my name is Joe. How can I help you? ";
        for (text, again) in [
            (format!("{phrase}{phrase}Hello, my name is Joe."), Some(15)),
            (format!("Well then. {phrase}{phrase}Hello, my name is Joe. How"), Some(16)),
            (phrase.repeat(2), None),
            ("no no no no no".to_owned(), None),
            ("The quick brown fox jumps over the lazy dog.".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(refrain(&text.split_whitespace().collect::<Vec<_>>()), again, "{text}");
        }
    }

    #[test]
    fn debug_output_keeps_the_words_to_itself() {
        assert!(!format!("{:?}", transcript("my secret", 0.1, -0.1)).contains("secret"));
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in ".{0,80}", no_speech in 0.0f32..1.0, certainty in -3.0f32..0.0) {
            let _ = transcript(&text, no_speech, certainty).is_speech();
        }
    }
}
