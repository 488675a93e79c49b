//! Brain and tts as a test wants them: they play their part from a script.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aether_bus::{AudioFrame, Bus, CallEnded, Frame, IncomingCall, RunningService, ServiceOptions};
use aether_proto::{
    BrainInput, BrainOutput, Done, Error, Held, Open, ReadyReply, ReadyRequest, SentenceReply, SentenceRequest, Status,
    TextChunk, ToolResult, TtsDone, TtsInput, TtsMark, TtsOutput, brain_input, brain_output, subject, tts_output,
};
use bytes::Bytes;
use tokio::sync::Semaphore;

const HZ: u32 = 22_050;
/// 20 ms of sound for each word.
const WORD: usize = 441;

#[derive(Clone)]
pub enum Line {
    Text(String),
    Look(&'static str),
    Found(&'static str),
    /// Waits until the test goes on.
    Pause,
    Fail(Error),
}

pub fn text(text: impl Into<String>) -> Line {
    Line::Text(text.into())
}

/// What brain was asked, and what it says to whom. Nothing before the commit.
#[derive(Clone, Default)]
pub struct PlayedBrain {
    script: Arc<Mutex<HashMap<String, Vec<Line>>>>,
    asked: Arc<Mutex<Vec<(Open, String)>>>,
    /// What it thinks of the end of any sentence.
    sentence_ends: Arc<Mutex<Option<f32>>>,
    is_slow: Arc<AtomicBool>,
    pub go_on: Arc<GoOn>,
}

pub struct GoOn(pub Semaphore);

impl Default for GoOn {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl PlayedBrain {
    /// The answer to these words; anything else is answered with "Yes."
    pub fn says(&self, words: &str, lines: Vec<Line>) {
        self.script.lock().unwrap().insert(words.to_owned(), lines);
    }

    pub fn takes_sentences_for_ended(&self, ends: f32) {
        *self.sentence_ends.lock().unwrap() = Some(ends);
    }

    /// It makes nothing ahead, and does not say so.
    pub fn is_slow(&self) {
        self.is_slow.store(true, Ordering::Relaxed);
    }

    /// The opening of each committed turn and its words.
    pub fn asked(&self) -> Vec<(Open, String)> {
        self.asked.lock().unwrap().clone()
    }

    pub async fn start(&self, bus: &Bus) -> RunningService {
        let (brain, reader) = (self.clone(), self.clone());
        bus.service(options("brain"))
            .call(subject::BRAIN_REQUEST, move |call| brain.clone().answer(call))
            .request(subject::SENTENCE_REQUEST, move |_, _: SentenceRequest| {
                std::future::ready(Ok(SentenceReply { ends: *reader.sentence_ends.lock().unwrap() }))
            })
            .request(subject::BRAIN_READY, |_, _: ReadyRequest| std::future::ready(Ok(is_ready())))
            .start()
            .await
            .unwrap()
    }

    async fn answer(self, mut call: IncomingCall<BrainInput, BrainOutput>) -> Result<(), Error> {
        let Some(brain_input::Input::Open(open)) = call.open().input.clone() else { return Ok(()) };
        let commit = loop {
            let Frame::Message(BrainInput { input }) = call.next().await.ok_or(CallEnded)? else { continue };
            match input {
                Some(brain_input::Input::Commit(commit)) => break commit,
                Some(brain_input::Input::Update(update)) if update.guess && !self.is_slow.load(Ordering::Relaxed) => {
                    call.send(&BrainOutput { output: Some(brain_output::Output::Held(Held {})) }).await?;
                }
                _ => {}
            }
        };
        let lines = self.script.lock().unwrap().get(&commit.text).cloned();
        let lines = lines.unwrap_or_else(|| vec![text("Yes.")]);
        self.asked.lock().unwrap().push((open, commit.text));
        let over = call.cancelled();
        for (index, line) in (0..).zip(lines) {
            let output = match line {
                Line::Text(text) => brain_output::Output::TextChunk(TextChunk { index, text }),
                Line::Look(message) => {
                    brain_output::Output::Status(Status { code: "looking".to_owned(), message: message.to_owned() })
                }
                Line::Found(summary) => brain_output::Output::ToolResult(ToolResult {
                    ok: true,
                    summary: summary.to_owned(),
                    ..ToolResult::default()
                }),
                Line::Pause => {
                    over.run_until_cancelled(self.go_on.0.acquire()).await.ok_or(CallEnded)?.unwrap().forget();
                    continue;
                }
                Line::Fail(error) => return Err(error),
            };
            call.send(&BrainOutput { output: Some(output) }).await?;
        }
        call.send(&BrainOutput { output: Some(brain_output::Output::Done(Done::default())) }).await?;
        Ok(())
    }
}

/// Says each word in 20 ms, and remembers what it said.
#[derive(Clone, Default)]
pub struct PlayedVoice {
    said: Arc<Mutex<Vec<String>>>,
    stalls: Arc<AtomicBool>,
}

impl PlayedVoice {
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    pub async fn start(&self, bus: &Bus) -> RunningService {
        let voice = self.clone();
        bus.service(options("tts"))
            .call(subject::TTS_REQUEST, move |call| voice.clone().speak(call))
            .request(subject::TTS_READY, |_, _: ReadyRequest| std::future::ready(Ok(is_ready())))
            .start()
            .await
            .unwrap()
    }

    pub fn stalls_after_the_first_word(&self, stalls: bool) {
        self.stalls.store(stalls, Ordering::Relaxed);
    }

    async fn speak(self, call: IncomingCall<TtsInput, TtsOutput>) -> Result<(), Error> {
        let text = call.open().text.clone();
        self.said.lock().unwrap().push(text.clone());
        let mut offset_us = 0;
        let mut at = 0;
        for word in text.split_inclusive(' ') {
            let (start, end) = (at, at + word.len());
            at = end;
            let mark = TtsMark { text_start: place(start), text_end: place(end), offset_us, exact: true };
            call.send(&TtsOutput { output: Some(tts_output::Output::Mark(mark)) }).await?;
            offset_us += 20_000;
            let pcm = Bytes::from([1, 1].repeat(WORD));
            call.send_audio(AudioFrame { sample_rate_hz: HZ, channels: 1, pcm }).await?;
            if self.stalls.load(Ordering::Relaxed) {
                call.cancelled().cancelled().await;
            }
        }
        call.send(&TtsOutput { output: Some(tts_output::Output::Done(TtsDone::default())) }).await?;
        Ok(())
    }
}

fn place(byte: usize) -> u32 {
    u32::try_from(byte).unwrap()
}

fn is_ready() -> ReadyReply {
    ReadyReply { ready: true, waiting_for: Vec::new() }
}

fn options(name: &str) -> ServiceOptions {
    let description = "plays its part in a test".to_owned();
    ServiceOptions { name: name.to_owned(), version: "0.0.1".to_owned(), description, max_calls: 8 }
}

/// No test waits longer for a part to stop.
pub const GRACE: Duration = Duration::from_millis(200);
