//! One clip through Whisper.

use std::ffi::{c_int, c_void};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperError, WhisperState, WhisperSysContext, WhisperSysState,
    WhisperTokenData, WhisperTokenId,
};

use super::queue::Priority;
use super::transcriber::{Decoder, Error};
use super::transcript::{Segment, Transcript, compression_ratio, refrain};

const SAMPLES_PER_SECOND: usize = aether_audio::RECOGNITION_HZ as usize;

/// The encoder makes one frame of 320 samples (20 ms), at most 1500 of them (30 s).
const SAMPLES_PER_FRAME: usize = 320;
const FRAMES_MAX: usize = 1_500;

/// Frames of silence after the clip that the encoder gets to see: without an end, Whisper goes on talking.
const FRAMES_AFTER: usize = 64;

/// Below this, tiny.en repeated itself on two of ten recorded commands; from here on, on none.
const FRAMES_MIN: usize = 384;

/// Shorter than this whisper.cpp decodes nothing.
const SHORTEST: usize = SAMPLES_PER_SECOND / 10;

/// A state over the shared model: the buffers for one decode at a time.
pub(super) struct Whisper {
    state: WhisperState,
    vocabulary: Vocabulary,
    threads: c_int,
    language: String,
}

impl Decoder for Whisper {
    fn decode(&mut self, samples: &[f32], priority: Priority, abort: &Arc<AtomicBool>) -> Result<Transcript, Error> {
        let started = Instant::now();
        if samples.len() < SHORTEST {
            return Ok(Transcript::empty(started.elapsed()));
        }
        let scaled = scaled_context(samples.len());
        self.run(samples, priority, scaled, abort).map_err(Error::Whisper)?;
        let (mut transcript, is_refrain) = self.read(samples.len(), started);
        // A short context now and then traps the decoder in a loop; a longer one may set it free. Partials come again anyway.
        let may_be_a_loop = is_refrain || transcript.repeats_itself();
        if may_be_a_loop && scaled < FRAMES_MAX && priority != Priority::Partial {
            self.run(samples, priority, (2 * scaled).min(FRAMES_MAX), abort).map_err(Error::Whisper)?;
            (transcript, _) = self.read(samples.len(), started);
        }
        Ok(transcript)
    }
}

impl Whisper {
    pub(super) fn new(context: &WhisperContext, threads: usize, language: &str) -> Result<Self, WhisperError> {
        let threads = c_int::try_from(threads.max(1)).unwrap_or(1);
        let vocabulary =
            Vocabulary { size: usize::try_from(context.n_vocab()).unwrap_or_default(), end: context.token_eot() };
        Ok(Self { state: context.create_state()?, vocabulary, threads, language: language.to_owned() })
    }

    fn run(
        &mut self,
        samples: &[f32],
        priority: Priority,
        audio_context: usize,
        abort: &Arc<AtomicBool>,
    ) -> Result<(), WhisperError> {
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(self.threads);
        params.set_language(Some(&self.language));
        params.set_audio_ctx(audio_context as c_int);
        params.set_max_tokens(token_cap(samples.len()));
        // What another clip said is no hint for this one.
        params.set_no_context(true);
        // Times within a clip matter to files; a room only pays for the extra tokens.
        params.set_no_timestamps(priority != Priority::Batch);
        // No second attempt at a higher temperature: it takes twice as long and makes more up.
        params.set_temperature(0.0);
        params.set_temperature_inc(0.0);
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_special(false);
        params.set_print_timestamps(false);
        abort_when(&mut params, abort);
        if priority != Priority::Batch {
            end_at_a_refrain(&mut params, &self.vocabulary);
        }
        self.state.full(params, samples)
    }

    /// What was understood, of a refrain only the first; and whether there was one.
    fn read(&self, samples: usize, started: Instant) -> (Transcript, bool) {
        let clip_ms = samples as u64 * 1_000 / SAMPLES_PER_SECOND as u64;
        let mut transcript = Transcript::empty(Duration::ZERO);
        let (mut ids, mut pieces, mut log_probabilities) = (Vec::new(), Vec::new(), Vec::new());
        for segment in self.state.as_iter() {
            let in_clip = |centiseconds: i64| (centiseconds.max(0) as u64 * 10).min(clip_ms);
            transcript.segments.push(Segment {
                start_ms: in_clip(segment.start_timestamp()),
                end_ms: in_clip(segment.end_timestamp()),
                text: segment.to_str_lossy().unwrap_or_default().trim().to_owned(),
            });
            transcript.no_speech_probability = if ids.is_empty() {
                segment.no_speech_probability()
            } else {
                // The clip holds speech when one of its parts does.
                transcript.no_speech_probability.min(segment.no_speech_probability())
            };
            for token in (0..segment.n_tokens()).filter_map(|index| segment.get_token(index)) {
                // The tokens from the end on are no words. How certain it was is worth knowing, of times it says nothing.
                let (id, end) = (token.token_id(), self.vocabulary.end);
                if id <= end {
                    log_probabilities.push(token.token_probability().max(f32::MIN_POSITIVE).ln());
                }
                if id < end {
                    ids.push(id);
                    pieces.push(token.to_bytes().unwrap_or_default().to_vec());
                }
            }
        }
        let again = refrain(&ids);
        let said = pieces.len() - again.unwrap_or(0);
        // A character may lie across two tokens.
        transcript.text = String::from_utf8_lossy(&pieces[..said].concat()).trim().to_owned();
        if !log_probabilities.is_empty() {
            transcript.average_log_probability = log_probabilities.iter().sum::<f32>() / log_probabilities.len() as f32;
        }
        transcript.compression_ratio = compression_ratio(&transcript.text);
        transcript.decode = started.elapsed();
        (transcript, again.is_some())
    }
}

/// How many encoder frames a clip needs. The encoder's cost grows with it, so a command of two seconds must not pay
/// for thirty. Rounded up to a multiple of 64, for whole vector blocks.
fn scaled_context(samples: usize) -> usize {
    let frames = samples.div_ceil(SAMPLES_PER_FRAME) + FRAMES_AFTER;
    frames.next_multiple_of(64).clamp(FRAMES_MIN, FRAMES_MAX)
}

/// Nobody says ten tokens a second; a decoder that does is in a loop.
fn token_cap(samples: usize) -> c_int {
    let seconds = (samples / SAMPLES_PER_SECOND).min(30);
    (16 + 10 * seconds) as c_int
}

#[expect(unsafe_code, reason = "the safe wrapper of this callback casts a pointer to the wrong type")]
fn abort_when(params: &mut FullParams<'_, '_>, abort: &Arc<AtomicBool>) {
    unsafe extern "C" fn is_set(abort: *mut c_void) -> bool {
        // SAFETY: `abort` is the pointer set below, to an `AtomicBool` that outlives the decode.
        unsafe { &*abort.cast::<AtomicBool>() }.load(Ordering::Relaxed)
    }
    // SAFETY: whisper.cpp calls `is_set` with this pointer only while `WhisperState::full` runs, in the caller of this
    // function, which borrows the `Arc` for longer than that. An `AtomicBool` may be read from whisper.cpp's threads.
    unsafe {
        params.set_abort_callback(Some(is_set));
        params.set_abort_callback_user_data(Arc::as_ptr(abort).cast_mut().cast());
    }
}

/// What a model can say next, as it numbers it.
#[derive(Debug, Clone, Copy)]
struct Vocabulary {
    size: usize,
    /// The token that ends the text.
    end: WhisperTokenId,
}

/// A decoder in a loop would go on to the cap, and somebody waits: it has nothing more to say once it repeats itself. With times
/// between the words, a loop's tokens are not the same each time.
#[expect(unsafe_code, reason = "the callback is a C function of a C library")]
fn end_at_a_refrain(params: &mut FullParams<'_, '_>, vocabulary: &Vocabulary) {
    unsafe extern "C" fn filter(
        _: *mut WhisperSysContext,
        _: *mut WhisperSysState,
        tokens: *const WhisperTokenData,
        said: c_int,
        logits: *mut f32,
        vocabulary: *mut c_void,
    ) {
        let said = usize::try_from(said).unwrap_or_default();
        if said == 0 || tokens.is_null() || logits.is_null() {
            return;
        }
        // SAFETY: `vocabulary` is the pointer set below; `tokens` are the `said` tokens of this decoder so far.
        let (vocabulary, tokens) = unsafe { (*vocabulary.cast::<Vocabulary>(), slice::from_raw_parts(tokens, said)) };
        if refrain(&tokens.iter().map(|token| token.id).collect::<Vec<_>>()).is_none() {
            return;
        }
        // SAFETY: whisper.cpp keeps one logit for each token of the model's vocabulary and lets the callback write them.
        let logits = unsafe { slice::from_raw_parts_mut(logits, vocabulary.size) };
        for (token, logit) in (0..).zip(logits) {
            if token != vocabulary.end {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
    // SAFETY: whisper.cpp calls `filter` with this pointer only while `WhisperState::full` runs, in the caller of this
    // function, which borrows the vocabulary for longer than that, and nobody writes to it.
    unsafe {
        params.set_filter_logits_callback(Some(filter));
        params.set_filter_logits_callback_user_data(std::ptr::from_ref(vocabulary).cast_mut().cast());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_grows_with_the_clip() {
        assert_eq!(scaled_context(SHORTEST), FRAMES_MIN);
        assert_eq!(scaled_context(3 * SAMPLES_PER_SECOND), FRAMES_MIN);
        assert_eq!(scaled_context(7 * SAMPLES_PER_SECOND), 448);
        assert_eq!(scaled_context(60 * SAMPLES_PER_SECOND), FRAMES_MAX);
    }
}
