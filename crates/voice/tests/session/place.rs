//! A place that keeps what it was given.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use aether_proto::{ClientEvent, client_event};
use aether_turn::floor::Phase;
use aether_voice::media::{Caption, Gone, MediaEnd, Pending};

/// A tenth of real time.
const FRAME: Duration = Duration::from_millis(1);

#[derive(Default)]
pub struct Place {
    events: Mutex<Vec<ClientEvent>>,
    frames: Mutex<usize>,
}

impl Place {
    pub fn events(&self) -> MutexGuard<'_, Vec<ClientEvent>> {
        self.events.lock().unwrap()
    }

    pub fn frames(&self) -> usize {
        *self.frames.lock().unwrap()
    }

    pub fn statuses(&self) -> Vec<String> {
        let status = |event: &ClientEvent| match &event.event {
            Some(client_event::Event::Status(status)) => Some(status.code.clone()),
            _ => None,
        };
        self.events().iter().filter_map(status).collect()
    }

    /// Reasons for which answers to people ended.
    pub fn ends(&self) -> Vec<String> {
        let end = |event: &ClientEvent| match &event.event {
            Some(client_event::Event::StreamEnd(end)) => Some(end.reason.clone()),
            _ => None,
        };
        self.events().iter().filter_map(end).collect()
    }
}

impl MediaEnd for Place {
    fn play<'a>(&'a self, _: &'a [i16]) -> Pending<'a, Result<(), Gone>> {
        Box::pin(async {
            tokio::time::sleep(FRAME).await;
            *self.frames.lock().unwrap() += 1;
            Ok(())
        })
    }
    fn caption(&self, _: Caption) -> Pending<'_, ()> {
        Box::pin(async {})
    }
    fn phase(&self, _: Phase) -> Pending<'_, ()> {
        Box::pin(async {})
    }
    fn event<'a>(&'a self, event: &'a ClientEvent) -> Pending<'a, ()> {
        Box::pin(async { self.events().push(event.clone()) })
    }
}
