//! The one voice of a session: takes frames of the answer, plays them at the pace of the place, knows what has been heard,
//! gets quieter within two frames, and fades out within 60 ms of being stopped.
//!
//! Frames and marks travel in one queue, so that "this point of the text has been heard" is simply the place of the mark
//! among the frames. What was made ahead waits in the queue until its generation is released, and then sounds at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use aether_telemetry::metric;
use aether_turn::Generation;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::media::{FRAME_SAMPLES, MediaEnd};

/// Two minutes of frames: an answer longer than that waits for its own sound.
const QUEUE_FRAMES: usize = 12_000;
/// The voice while somebody else speaks, relative to full loudness (about −12 dB).
const DUCKED_GAIN: f32 = 0.25;

/// Frames in which a voice that is stopped fades out: a hard cut clicks, and sounds like a fault.
const FADE_FRAMES: u32 = 6;

/// What an answer puts into the queue.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Frame(Vec<i16>),
    /// When this point is reached, so many bytes of the answer have been heard.
    Heard {
        text_bytes: usize,
    },
    /// The answer is complete.
    End,
}

/// What the playout tells the session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// The first frame of what was made ahead is there, and waits.
    Ready {
        generation: Generation,
    },
    /// The first frame was handed to the place.
    Started {
        generation: Generation,
        at: Instant,
    },
    Heard {
        generation: Generation,
        text_bytes: usize,
    },
    Drained {
        generation: Generation,
    },
    /// The place is gone; nothing can be played any more.
    Gone,
}

/// The session's hold on its voice. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Playout {
    queue: mpsc::Sender<(Generation, Item)>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Everything of this generation and before is silent.
    stopped: AtomicU32,
    /// What is of a later generation waits.
    released: watch::Sender<u32>,
    ducked: AtomicBool,
    muted: AtomicBool,
}

impl Playout {
    /// Starts the voice; it ends when the last handle is dropped. `events` must be read: it has room for what a generation
    /// can cause between two looks.
    pub fn start(media: Arc<dyn MediaEnd>, events: mpsc::Sender<Event>) -> Self {
        let (queue, items) = mpsc::channel(QUEUE_FRAMES);
        let shared = Arc::new(Shared::default());
        let voice = Voice { media, shared: Arc::clone(&shared), events, gain: 1.0, started: None, fading: None };
        tokio::spawn(voice.run(items).in_current_span());
        Self { queue, shared }
    }

    /// Queues the next item of an answer. False: this generation was stopped, make no more of it.
    pub async fn push(&self, generation: Generation, item: Item) -> bool {
        !self.is_stopped(generation) && self.queue.send((generation, item)).await.is_ok()
    }

    /// Lets this generation be heard, and all before it.
    pub fn release(&self, generation: Generation) {
        self.shared.release(generation);
    }

    /// Silences this generation and all before it. Returns at once; the voice fades out over 60 ms.
    pub fn stop(&self, generation: Generation) {
        self.shared.stopped.fetch_max(generation.number(), Ordering::AcqRel);
        // Whoever waits for it to be released finds it stopped.
        self.shared.release(generation);
    }

    pub fn set_ducked(&self, ducked: bool) {
        self.shared.ducked.store(ducked, Ordering::Release);
    }

    /// Nothing is heard any more, and answers come to their end at once.
    pub fn set_muted(&self, muted: bool) {
        self.shared.muted.store(muted, Ordering::Release);
    }

    pub fn is_muted(&self) -> bool {
        self.shared.muted.load(Ordering::Acquire)
    }

    fn is_stopped(&self, generation: Generation) -> bool {
        self.shared.is_stopped(generation)
    }
}

impl Shared {
    fn is_stopped(&self, generation: Generation) -> bool {
        generation.number() <= self.stopped.load(Ordering::Acquire)
    }

    fn release(&self, generation: Generation) {
        let later = |released: &mut u32| {
            let is_later = *released < generation.number();
            *released = (*released).max(generation.number());
            is_later
        };
        self.released.send_if_modified(later);
    }

    fn is_released(&self, generation: Generation) -> bool {
        generation.number() <= *self.released.borrow()
    }

    async fn until_released(&self, generation: Generation) {
        // The sender lives as long as this.
        let _ = self.released.subscribe().wait_for(|released| generation.number() <= *released).await;
    }
}

struct Voice {
    media: Arc<dyn MediaEnd>,
    shared: Arc<Shared>,
    events: mpsc::Sender<Event>,
    gain: f32,
    started: Option<Generation>,
    /// A stopped generation, and how many of its frames may still be heard.
    fading: Option<(Generation, u32)>,
}

impl Voice {
    async fn run(mut self, mut items: mpsc::Receiver<(Generation, Item)>) {
        while let Some((generation, item)) = items.recv().await {
            if !self.shared.is_released(generation) {
                if matches!(item, Item::Frame(_)) && !self.tell(Event::Ready { generation }).await {
                    return;
                }
                self.shared.until_released(generation).await;
            }
            if self.shared.is_stopped(generation) {
                if !self.fade_out(generation, item).await {
                    return;
                }
                continue;
            }
            let is_muted = self.shared.muted.load(Ordering::Acquire);
            let told = match item {
                Item::Frame(_) | Item::Heard { .. } if is_muted => true,
                Item::Frame(samples) => self.play(generation, samples).await,
                Item::Heard { text_bytes } => self.tell(Event::Heard { generation, text_bytes }).await,
                Item::End => self.tell(Event::Drained { generation }).await,
            };
            if !told {
                return;
            }
        }
    }

    async fn play(&mut self, generation: Generation, mut samples: Vec<i16>) -> bool {
        let target = if self.shared.ducked.load(Ordering::Acquire) { DUCKED_GAIN } else { 1.0 };
        if self.started != Some(generation) {
            self.gain = target;
        }
        self.fade(&mut samples, target);
        if !self.hand_over(&samples).await {
            return false;
        }
        if self.started == Some(generation) || self.shared.is_stopped(generation) {
            return true;
        }
        self.started = Some(generation);
        self.tell(Event::Started { generation, at: Instant::now() }).await
    }

    /// Plays the next frames of what was stopped, quieter and quieter, if they follow what is being heard.
    async fn fade_out(&mut self, generation: Generation, item: Item) -> bool {
        if self.started.take_if(|started| *started == generation).is_some()
            && !self.shared.muted.load(Ordering::Acquire)
        {
            self.fading = Some((generation, FADE_FRAMES));
        }
        match (&mut self.fading, item) {
            (Some((fading, left)), Item::Frame(mut samples)) if *fading == generation && *left > 0 => {
                let target = self.gain * (*left - 1) as f32 / *left as f32;
                *left -= 1;
                self.fade(&mut samples, target);
                self.hand_over(&samples).await
            }
            _ => {
                metrics::counter!(metric::PLAYOUT_STALE).increment(1);
                true
            }
        }
    }

    async fn hand_over(&self, samples: &[i16]) -> bool {
        let played = self.media.play(samples).await;
        if let Err(error) = &played {
            tracing::warn!(%error, "the room takes no more audio");
            self.tell(Event::Gone).await;
        }
        played.is_ok()
    }

    /// Moves the gain to `target` over one frame, so that it never clicks.
    fn fade(&mut self, samples: &mut [i16], target: f32) {
        if self.gain == 1.0 && target == 1.0 {
            return;
        }
        let step = (target - self.gain) / FRAME_SAMPLES as f32;
        for sample in samples.iter_mut() {
            self.gain += step;
            *sample = (f32::from(*sample) * self.gain) as i16;
        }
        self.gain = target;
    }

    async fn tell(&self, event: Event) -> bool {
        self.events.send(event).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aether_proto::ClientEvent;
    use aether_turn::floor::{self, Floor, LaneId, Phase};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::media::{Caption, Gone, Pending};

    /// A place that takes a frame for each permit, so that a test decides how far playing has come.
    struct SteppedPlace {
        permits: Semaphore,
        played: Mutex<Vec<i16>>,
    }

    impl SteppedPlace {
        const fn new() -> Self {
            Self { permits: Semaphore::const_new(0), played: Mutex::new(Vec::new()) }
        }

        /// The first sample of each frame played so far.
        fn played(&self) -> Vec<i16> {
            self.played.lock().unwrap().clone()
        }
    }

    impl MediaEnd for SteppedPlace {
        fn play<'a>(&'a self, frame: &'a [i16]) -> Pending<'a, Result<(), Gone>> {
            Box::pin(async {
                self.permits.acquire().await.map_err(|_| Gone("closed".into()))?.forget();
                self.played.lock().unwrap().push(*frame.last().unwrap());
                Ok(())
            })
        }
        fn caption(&self, _: Caption) -> Pending<'_, ()> {
            Box::pin(async {})
        }
        fn phase(&self, _: Phase) -> Pending<'_, ()> {
            Box::pin(async {})
        }
        fn event<'a>(&'a self, _: &'a ClientEvent) -> Pending<'a, ()> {
            Box::pin(async {})
        }
    }

    /// Generations come from the floor alone; these are its first two.
    fn generations() -> [Generation; 2] {
        let mut floor = Floor::new();
        [1, 2].map(|_| {
            let effects = floor.next(floor::Event::Said { lane: LaneId(1), text: "x".into() });
            effects
                .iter()
                .find_map(|effect| match effect {
                    floor::Effect::Commit { generation, .. } => Some(*generation),
                    _ => None,
                })
                .unwrap()
        })
    }

    #[tokio::test]
    async fn marks_come_in_their_place_and_the_end_last() {
        let [generation, _] = generations();
        let place = Arc::new(SteppedPlace::new());
        let (events_in, mut events) = mpsc::channel(16);
        let playout = Playout::start(place.clone(), events_in);
        playout.release(generation);
        for item in [Item::Frame(vec![7; FRAME_SAMPLES]), Item::Heard { text_bytes: 5 }, Item::End] {
            assert!(playout.push(generation, item).await);
        }
        place.permits.add_permits(10);
        assert!(matches!(events.recv().await, Some(Event::Started { .. })));
        assert_eq!(events.recv().await, Some(Event::Heard { generation, text_bytes: 5 }));
        assert_eq!(events.recv().await, Some(Event::Drained { generation }));
    }

    #[tokio::test]
    async fn what_was_stopped_is_not_heard_and_what_follows_is() {
        let [first, second] = generations();
        let place = Arc::new(SteppedPlace::new());
        let (events_in, mut events) = mpsc::channel(64);
        let playout = Playout::start(place.clone(), events_in);
        playout.release(second);
        for _ in 0..20 {
            playout.push(first, Item::Frame(vec![1_000; FRAME_SAMPLES])).await;
        }
        place.permits.add_permits(3);
        assert!(matches!(events.recv().await, Some(Event::Started { .. })));
        playout.stop(first);
        assert!(!playout.push(first, Item::End).await);
        playout.push(second, Item::Frame(vec![77; FRAME_SAMPLES])).await;
        place.permits.add_permits(100);
        while !matches!(events.recv().await, Some(Event::Started { generation, .. }) if generation == second) {}
        let played = place.played();
        let (loud, fading): (Vec<_>, Vec<_>) = played[..played.len() - 1].iter().partition(|sample| **sample == 1_000);
        assert!(loud.len() <= 4 && fading.len() == FADE_FRAMES as usize, "{played:?}");
        assert!(fading.is_sorted_by(|one, other| one > other) && fading.last() == Some(&&0), "{played:?}");
        assert_eq!(played.last(), Some(&77), "what follows is as loud as ever");
    }

    #[tokio::test]
    async fn what_is_made_ahead_waits_until_it_is_released() {
        let [first, second] = generations();
        let place = Arc::new(SteppedPlace::new());
        let (events_in, mut events) = mpsc::channel(64);
        let playout = Playout::start(place.clone(), events_in);
        place.permits.add_permits(100);
        // The first guess was wrong: nothing of it is ever heard.
        playout.push(first, Item::Frame(vec![1; FRAME_SAMPLES])).await;
        playout.push(first, Item::End).await;
        playout.stop(first);
        playout.push(second, Item::Frame(vec![2; FRAME_SAMPLES])).await;
        while events.recv().await != Some(Event::Ready { generation: second }) {}
        assert!(events.try_recv().is_err() && place.played().is_empty());
        playout.release(second);
        assert!(matches!(events.recv().await, Some(Event::Started { generation, .. }) if generation == second));
        assert_eq!(place.played(), [2]);
    }

    #[tokio::test]
    async fn a_muted_answer_comes_to_its_end_unheard() {
        let [generation, _] = generations();
        let place = Arc::new(SteppedPlace::new());
        let (events_in, mut events) = mpsc::channel(16);
        let playout = Playout::start(place.clone(), events_in);
        playout.release(generation);
        playout.set_muted(true);
        for item in [Item::Frame(vec![7; FRAME_SAMPLES]), Item::Heard { text_bytes: 5 }, Item::End] {
            assert!(playout.push(generation, item).await);
        }
        assert_eq!(events.recv().await, Some(Event::Drained { generation }));
        assert!(place.played().is_empty());
    }

    #[tokio::test]
    async fn ducked_within_two_frames() {
        let [generation, _] = generations();
        let place = Arc::new(SteppedPlace::new());
        let (events_in, mut events) = mpsc::channel(64);
        let playout = Playout::start(place.clone(), events_in);
        playout.release(generation);
        playout.set_ducked(true);
        playout.push(generation, Item::Frame(vec![1000; FRAME_SAMPLES])).await;
        playout.push(generation, Item::End).await;
        place.permits.add_permits(5);
        while !matches!(events.recv().await, Some(Event::Drained { .. })) {}
        assert!(place.played()[0] <= 251, "{:?}", place.played());
    }
}
