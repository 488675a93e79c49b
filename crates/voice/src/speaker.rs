//! From chunks of text to frames in the playout: one `tts.request` call after the other, resampled once.

use std::collections::VecDeque;
use std::time::Duration;

use aether_audio::{Framer, Resampler, pcm16};
use aether_bus::{AudioFrame, Bus, Call, CallOptions, Context, Error, Frame};
use aether_proto::{TtsInput, TtsOutput, subject, tts_output};
use aether_turn::Generation;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::answer::{self, Answer};
use crate::chunker::Chunk;
use crate::media::{FRAME_SAMPLES, SAMPLE_RATE_HZ};
use crate::phrases::{self, NO_VOICE, Phrases};
use crate::playout::{Item, Playout};

/// Synthesis of a chunk takes tenths of a second; a service that is silent for so long is taken for gone.
const TTS_IDLE: Duration = Duration::from_secs(5);

/// What one answer's speaker found out.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    /// When the first chunk was sent to tts, and when its first PCM came.
    pub first_chunk: Option<Instant>,
    pub first_pcm: Option<Instant>,
    /// How much of the time between the two tts needed itself.
    pub synthesis: Option<Duration>,
    /// The answer was shown, but not, or not fully, heard.
    voiceless: bool,
}

/// Speaks one answer into the playout.
pub(crate) struct Speaker {
    bus: Bus,
    context: Context,
    voice: String,
    generation: Generation,
    playout: Playout,
    events: mpsc::Sender<answer::Event>,
    phrases: Phrases,
    /// The person knows that there is none.
    has_no_voice: bool,
    framer: Framer<i16>,
    spoken: Spoken,
}

impl Speaker {
    pub(crate) fn new(answer: &Answer) -> Self {
        Self {
            bus: answer.bus.clone(),
            context: answer.context.clone(),
            voice: answer.voice.clone(),
            generation: answer.generation,
            playout: answer.playout.clone(),
            events: answer.events.clone(),
            phrases: answer.phrases.clone(),
            has_no_voice: answer.has_no_voice,
            framer: Framer::new(FRAME_SAMPLES),
            spoken: Spoken::default(),
        }
    }

    /// Speaks chunk after chunk until the sender is dropped. Dropping the future cancels the synthesis that is under way.
    pub(crate) async fn run(mut self, mut chunks: mpsc::Receiver<Chunk>) -> Spoken {
        while let Some(chunk) = chunks.recv().await {
            // A voice that failed twice is away: the rest of the answer is shown, and the person is told so now.
            if self.spoken.voiceless || self.playout.is_muted() {
                continue;
            }
            if let Err(error) = self.speak(&chunk).await {
                tracing::warn!(%error, "a part of the answer could not be spoken");
                let reason = error.to_string();
                self.spoken.voiceless = true;
                // A session that is gone has cancelled this answer already.
                let _ = self.events.send(answer::Event::Voiceless { generation: self.generation, reason }).await;
                if !self.has_no_voice {
                    self.say_that_there_is_no_voice().await;
                }
            }
        }
        if let Some(rest) = self.framer.flush() {
            let mut frame = rest;
            frame.resize(FRAME_SAMPLES, 0);
            self.playout.push(self.generation, Item::Frame(frame)).await;
        }
        self.spoken
    }

    async fn say_that_there_is_no_voice(&mut self) {
        for chunk in phrases::chunks(NO_VOICE) {
            if let Some(sound) = self.phrases.sound(&chunk.text) {
                self.queue(&sound).await;
            }
        }
    }

    async fn speak(&mut self, chunk: &Chunk) -> Result<(), Error> {
        if let Some(sound) = self.phrases.sound(&chunk.text) {
            if self.queue(&sound).await {
                self.playout.push(self.generation, Item::Heard { text_bytes: chunk.range.end }).await;
            }
            return Ok(());
        }
        self.spoken.first_chunk.get_or_insert_with(Instant::now);
        let mut attempt = Synthesis::new(chunk);
        let first = self.synthesise(&mut attempt).await;
        // A worker that died before it made a sound is worth one more try: another may hold the queue.
        match first {
            Err(error) if !attempt.audible => {
                tracing::info!(%error, "asking for the chunk again");
                self.synthesise(&mut Synthesis::new(chunk)).await
            }
            other => other,
        }
    }

    async fn synthesise(&mut self, synthesis: &mut Synthesis<'_>) -> Result<(), Error> {
        let mut call = call(&self.bus, &self.context, &synthesis.chunk.text, &self.voice).await?;
        while let Some(frame) = call.next().await? {
            match frame {
                Frame::Audio(audio) => {
                    self.spoken.first_pcm.get_or_insert_with(Instant::now);
                    let samples = synthesis.sound.resample(&audio)?;
                    if !self.play(synthesis, &samples).await {
                        call.cancel();
                        return Ok(());
                    }
                }
                Frame::Message(TtsOutput { output: Some(tts_output::Output::Mark(mark)) }) => {
                    synthesis.marks.push_back(mark);
                }
                Frame::Message(TtsOutput { output: Some(tts_output::Output::Done(done)) }) => {
                    let synthesis = Duration::from_millis(done.first_pcm_ms.into());
                    self.spoken.synthesis.get_or_insert(synthesis);
                }
                Frame::Message(_) => {}
            }
        }
        let rest = synthesis.sound.flush();
        self.play(synthesis, &rest).await;
        let text_bytes = synthesis.chunk.range.end;
        self.playout.push(self.generation, Item::Heard { text_bytes }).await;
        Ok(())
    }

    /// Queues sound that is there already. False: the answer was stopped.
    async fn queue(&mut self, samples: &[i16]) -> bool {
        for frame in self.framer.push(samples) {
            if !self.playout.push(self.generation, Item::Frame(frame)).await {
                return false;
            }
        }
        true
    }

    /// Queues samples with the marks that fall between them. False: the answer was stopped.
    async fn play(&mut self, synthesis: &mut Synthesis<'_>, samples: &[i16]) -> bool {
        synthesis.audible |= !samples.is_empty();
        for frame in self.framer.push(samples) {
            synthesis.frames += 1;
            if !self.playout.push(self.generation, Item::Frame(frame)).await {
                return false;
            }
            while let Some(text_bytes) = synthesis.mark_passed() {
                self.playout.push(self.generation, Item::Heard { text_bytes }).await;
            }
        }
        true
    }
}

/// Asks tts to say this; an empty `voice` is its default.
pub(crate) async fn call(
    bus: &Bus,
    context: &Context,
    text: &str,
    voice: &str,
) -> Result<Call<TtsInput, TtsOutput>, Error> {
    let open = TtsInput { text: text.trim().to_owned(), voice: voice.to_owned(), speed: 1.0 };
    let options = CallOptions { idle: TTS_IDLE, audio_output: true, ..CallOptions::default() };
    bus.call(context, subject::TTS_REQUEST, &open, options).await
}

/// The state of one chunk's synthesis.
struct Synthesis<'a> {
    chunk: &'a Chunk,
    /// Bytes of white space that were trimmed from the chunk's start before it was sent.
    trimmed: usize,
    sound: Sound,
    marks: VecDeque<aether_proto::TtsMark>,
    frames: i64,
    audible: bool,
}

impl<'a> Synthesis<'a> {
    fn new(chunk: &'a Chunk) -> Self {
        let trimmed = chunk.text.len() - chunk.text.trim_start().len();
        Self { chunk, trimmed, sound: Sound::default(), marks: VecDeque::new(), frames: 0, audible: false }
    }

    /// The next word that has begun by now: everything before it has been heard. In bytes of the whole answer.
    fn mark_passed(&mut self) -> Option<usize> {
        let now_us = self.frames * 10_000;
        let mark = self.marks.pop_front_if(|mark| mark.offset_us <= now_us)?;
        Some(self.chunk.written_at(self.trimmed + mark.text_start as usize))
    }
}

/// PCM as tts sends it, on its way to the samples of the place.
#[derive(Default)]
pub(crate) struct Sound {
    resampler: Option<Resampler>,
}

impl Sound {
    pub(crate) fn resample(&mut self, audio: &AudioFrame) -> Result<Vec<i16>, Error> {
        let broken = |reason: &dyn std::fmt::Display| Error::Protocol(reason.to_string());
        let samples = pcm16::from_bytes(&audio.pcm).map_err(|error| broken(&error))?;
        let resampler = match &mut self.resampler {
            Some(resampler) => resampler,
            slot => {
                let fresh = Resampler::new(audio.sample_rate_hz, SAMPLE_RATE_HZ).map_err(|error| broken(&error))?;
                slot.insert(fresh)
            }
        };
        Ok(pcm16::from_f32(&resampler.push(&pcm16::to_f32(&samples))))
    }

    pub(crate) fn flush(&mut self) -> Vec<i16> {
        self.resampler.as_mut().map(|resampler| pcm16::from_f32(&resampler.flush())).unwrap_or_default()
    }
}
