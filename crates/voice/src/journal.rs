//! What a session tells the world, in order and off its own path: log entries, client events, captions.
//!
//! The session decides in microseconds; the bus and the room may take milliseconds. One task per kind keeps the order.

use std::sync::Arc;

use aether_bus::{Bus, Context, TurnLog};
use aether_proto::{ClientEvent, RoomName, TurnLogEntry, client_event, subject};
use aether_telemetry::metric;
use aether_turn::floor::Phase;
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span};

use crate::media::{Caption, MediaEnd};
use crate::turn::unix_us;

/// More than any turn makes while the bus stands still for a second.
const QUEUE: usize = 1024;

/// An entry for the turn log, and who waits until it can't be lost any more.
struct Entry {
    context: Context,
    entry: TurnLogEntry,
    kept: oneshot::Sender<()>,
    span: Span,
}

enum Shown {
    Event(Context, Box<ClientEvent>, Span),
    Caption(Caption),
    Phase(Phase),
}

/// The session's pen. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal {
    entries: mpsc::Sender<Entry>,
    shown: mpsc::Sender<Shown>,
    room: RoomName,
}

impl Journal {
    pub(crate) fn start(bus: Bus, turn_log: TurnLog, media: Arc<dyn MediaEnd>, room: RoomName) -> Self {
        let (entries, entries_in) = mpsc::channel(QUEUE);
        let (shown, shown_in) = mpsc::channel(QUEUE);
        tokio::spawn(keep(turn_log, entries_in));
        tokio::spawn(show(bus, media, room.clone(), shown_in));
        Self { entries, shown, room }
    }

    /// Writes an entry that must not be lost. The receiver resolves once it is safe (stored, or spooled to disk), or fails
    /// if it can't be kept.
    pub(crate) async fn log(&self, context: &Context, span: &Span, entry: TurnLogEntry) -> oneshot::Receiver<()> {
        let (kept, safe) = oneshot::channel();
        let entry = Entry { context: context.clone(), entry, kept, span: span.clone() };
        // The task ends only with the last journal.
        let _ = self.entries.send(entry).await;
        safe
    }

    /// Tells clients. What finds no room in the queue is dropped and counted: clients are not what must not be lost.
    pub(crate) fn event(&self, context: &Context, turn_id: &str, span: &Span, event: client_event::Event) {
        let event = ClientEvent {
            room: self.room.to_string(),
            session_id: context.session.map(|session| session.to_string()).unwrap_or_default(),
            turn_id: turn_id.to_owned(),
            at_unix_us: unix_us(),
            event: Some(event),
        };
        self.show(Shown::Event(context.clone(), Box::new(event), span.clone()));
    }

    pub(crate) fn caption(&self, caption: Caption) {
        self.show(Shown::Caption(caption));
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.show(Shown::Phase(phase));
    }

    fn show(&self, shown: Shown) {
        if self.shown.try_send(shown).is_err() {
            metrics::counter!(metric::EVENTS_DROPPED).increment(1);
        }
    }
}

async fn keep(turn_log: TurnLog, mut entries: mpsc::Receiver<Entry>) {
    while let Some(Entry { context, entry, kept, span }) = entries.recv().await {
        match turn_log.append(&context, &entry).instrument(span).await {
            // Nobody need wait for it.
            Ok(()) => drop(kept.send(())),
            Err(error) => {
                tracing::error!(%error, "a step of the conversation could not be kept, on the bus or on disk");
            }
        }
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
        }
    }
}
