//! Where an answer goes as it is made: its words to the session, its pieces to the speaker.
//!
//! Before the turn is committed nobody may know of it: words are kept here, in their order, and of the pieces only the first
//! is spoken, into a playout that keeps it. With the commit everything goes on at once.

use aether_proto::Commit;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::answer::{Event, Timings};
use crate::chunker::Chunk;

/// Pieces that are synthesised before it is known whether anybody will hear them.
const SPOKEN_AHEAD: usize = 1;

pub(crate) struct Outbox {
    events: mpsc::Sender<Event>,
    chunks: mpsc::Sender<Chunk>,
    commit: oneshot::Receiver<Commit>,
    committed: Option<Commit>,
    kept_events: Vec<Event>,
    kept_chunks: Vec<Chunk>,
    spoken_ahead: usize,
    has_spoken: bool,
    pub(crate) timings: Timings,
}

impl Outbox {
    /// Of a turn that is committed when `commit` says so. A dropped sender means that it never will be.
    pub(crate) fn new(
        events: mpsc::Sender<Event>,
        chunks: mpsc::Sender<Chunk>,
        commit: oneshot::Receiver<Commit>,
    ) -> Self {
        Self {
            events,
            chunks,
            commit,
            committed: None,
            kept_events: Vec::new(),
            kept_chunks: Vec::new(),
            spoken_ahead: 0,
            has_spoken: false,
            timings: Timings::default(),
        }
    }

    /// Of a text that is said as it is.
    pub(crate) fn of_text(events: mpsc::Sender<Event>, chunks: mpsc::Sender<Chunk>) -> Self {
        let (_, never) = oneshot::channel();
        let mut outbox = Self::new(events, chunks, never);
        outbox.committed = Some(Commit::default());
        outbox.timings.committed = Some(Instant::now());
        outbox
    }

    pub(crate) const fn commit(&self) -> Option<&Commit> {
        self.committed.as_ref()
    }

    pub(crate) const fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// Since when somebody waits for the first piece.
    pub(crate) const fn silent_since(&self) -> Option<Instant> {
        if self.has_spoken { None } else { self.timings.committed }
    }

    /// Waits for the commit, and lets go what was kept; `None` if the turn is given up. Cancel-safe until it is committed.
    pub(crate) async fn until_committed(&mut self) -> Option<&Commit> {
        if self.committed.is_none() {
            self.committed = Some((&mut self.commit).await.ok()?);
            self.timings.committed = Some(Instant::now());
        }
        for event in std::mem::take(&mut self.kept_events) {
            self.tell(event).await;
        }
        let chunks = std::mem::take(&mut self.kept_chunks);
        self.speak(chunks).await;
        self.committed.as_ref()
    }

    pub(crate) async fn tell(&mut self, event: Event) {
        if self.committed.is_none() {
            self.kept_events.push(event);
            return;
        }
        // A session that is gone has cancelled this answer already.
        let _ = self.events.send(event).await;
    }

    pub(crate) async fn speak(&mut self, chunks: impl IntoIterator<Item = Chunk>) {
        for chunk in chunks {
            self.has_spoken = true;
            if self.committed.is_none() && self.spoken_ahead == SPOKEN_AHEAD {
                self.kept_chunks.push(chunk);
                continue;
            }
            self.spoken_ahead += usize::from(self.committed.is_none());
            // The speaker ends only with this answer.
            let _ = self.chunks.send(chunk).await;
        }
    }
}
