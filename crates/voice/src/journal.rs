//! What a session tells the world, in order and off its own path: log entries, client events, captions.
//!
//! The session decides in microseconds; the bus and the room may take milliseconds. One task per kind keeps the order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aether_bus::{Bus, Context, TurnLog};
use aether_proto::{ClientEvent, RoomName, TurnLogEntry, client_event, subject};
use aether_telemetry::{metric, with_causes};
use aether_turn::floor::Phase;
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span};

use crate::media::{Caption, MediaEnd};
use crate::turn::unix_us;

/// The most text in one client event, in bytes: places such as LiveKit's rooms carry packets of some 15 kB.
pub(crate) const MOST_SHOWN: usize = 4 << 10;
/// How long the end of a session waits for its log.
const SETTLE: Duration = Duration::from_secs(3);
/// More than any turn makes while the bus stands still for a second.
const QUEUE: usize = 1024;

/// As much of a text as fits into a client event.
pub(crate) fn shown_part(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_SHOWN)]
}

/// An entry for the turn log, and who waits until it can't be lost any more.
struct Entry {
    context: Context,
    entry: TurnLogEntry,
    kept: oneshot::Sender<()>,
    span: Span,
}

enum Written {
    Entry(Box<Entry>),
    /// Answered when all before it is done.
    End(oneshot::Sender<()>),
}

enum Shown {
    Event(Context, Box<ClientEvent>, Span),
    Caption(Caption),
    Phase(Phase),
    /// Answered when all before it is done.
    End(oneshot::Sender<()>),
}

/// The session's pen. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal {
    entries: mpsc::Sender<Written>,
    shown: mpsc::Sender<Shown>,
    room: RoomName,
    /// Ids of the persons in the room.
    people: Arc<Mutex<Vec<String>>>,
}

impl Journal {
    pub(crate) fn start(bus: Bus, turn_log: TurnLog, media: Arc<dyn MediaEnd>, room: RoomName) -> Self {
        let (entries, entries_in) = mpsc::channel(QUEUE);
        let (shown, shown_in) = mpsc::channel(QUEUE);
        tokio::spawn(keep(turn_log, entries_in).in_current_span());
        tokio::spawn(show(bus, media, room.clone(), shown_in).in_current_span());
        Self { entries, shown, room, people: Arc::default() }
    }

    /// Writes an entry that must not be lost. The receiver resolves once it is safe (stored, or spooled to disk), or fails
    /// if it can't be kept.
    pub(crate) async fn log(&self, context: &Context, span: &Span, entry: TurnLogEntry) -> oneshot::Receiver<()> {
        let (kept, safe) = oneshot::channel();
        let entry = Entry { context: context.clone(), entry, kept, span: span.clone() };
        // The task ends only with the last journal.
        let _ = self.entries.send(Written::Entry(Box::new(entry))).await;
        safe
    }

    /// Tells clients. What finds no room in the queue is dropped and counted: clients are not what must not be lost.
    pub(crate) fn event(&self, context: &Context, turn_id: &str, span: &Span, event: client_event::Event) {
        let event = ClientEvent {
            room: self.room.to_string(),
            session_id: context.session.map(|session| session.to_string()).unwrap_or_default(),
            turn_id: turn_id.to_owned(),
            at_unix_us: unix_us(),
            people: self.people().clone(),
            event: Some(event),
        };
        self.show(Shown::Event(context.clone(), Box::new(event), span.clone()));
    }

    /// From now on these persons are concerned by what happens.
    pub(crate) fn set_people(&self, people: Vec<String>) {
        *self.people() = people;
    }

    /// Waits until everything that was written and shown so far has gone where it should, or can't: at most [`SETTLE`].
    pub(crate) async fn settle(&self) {
        let (written, all_written) = oneshot::channel();
        let (shown, all_shown) = oneshot::channel();
        let settled = async {
            let _ = tokio::join!(self.entries.send(Written::End(written)), self.shown.send(Shown::End(shown)));
            // A sender that is dropped with its task is an end too.
            let _ = tokio::join!(all_written, all_shown);
        };
        if tokio::time::timeout(SETTLE, settled).await.is_err() {
            tracing::warn!(limit = ?SETTLE, "the end of a session was not written down, or not shown, in time");
        }
    }

    pub(crate) fn caption(&self, caption: Caption) {
        self.show(Shown::Caption(caption));
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.show(Shown::Phase(phase));
    }

    fn people(&self) -> MutexGuard<'_, Vec<String>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, shown: Shown) {
        if self.shown.try_send(shown).is_err() {
            metrics::counter!(metric::EVENTS_DROPPED).increment(1);
        }
    }
}

async fn keep(turn_log: TurnLog, mut entries: mpsc::Receiver<Written>) {
    while let Some(written) = entries.recv().await {
        let Entry { context, entry, kept, span } = match written {
            Written::Entry(entry) => *entry,
            Written::End(reached) => {
                let _ = reached.send(());
                continue;
            }
        };
        let keep = async {
            match turn_log.append(&context, &entry).await {
                // Nobody need wait for it.
                Ok(()) => drop(kept.send(())),
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::error!(%error, "a step of the conversation could not be kept, on the bus or on disk");
                }
            }
        };
        keep.instrument(span).await;
    }
}

async fn show(bus: Bus, media: Arc<dyn MediaEnd>, room: RoomName, mut shown: mpsc::Receiver<Shown>) {
    while let Some(shown) = shown.recv().await {
        match shown {
            Shown::Event(context, event, span) => {
                let subject = subject::room_events(&context.tenant, &room);
                let published = bus.publish(&context, &subject, &*event).instrument(span);
                let (published, ()) = tokio::join!(published, media.event(&event));
                if let Err(error) = published {
                    tracing::debug!(%error, "a client event was not published");
                }
            }
            Shown::Caption(caption) => media.caption(caption).await,
            Shown::Phase(phase) => media.phase(phase).await,
            Shown::End(reached) => drop(reached.send(())),
        }
    }
}
