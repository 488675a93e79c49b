//! What happens in all rooms and typed conversations, heard once per process and passed on to whom it concerns.
//!
//! An event becomes one text frame, shared by all who get it. Each listener has a queue of its own with a bound in frames and
//! in bytes. Who does not keep up is let go: it knows that something is missing and asks for the present state again, which a
//! gap in the middle would not tell it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aether_bus::{Bus, Error, Event, Subscription};
use aether_proto::{ClientEvent, Notification, PersonId, TenantId, client_event, subject};
use aether_telemetry::metric;
use axum::extract::ws::Utf8Bytes;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::latency::Latency;
use crate::notifications::notified;

/// How much may wait for one listener.
const MOST_FRAMES: usize = 256;
const MOST_BYTES: usize = 256 << 10;
/// Between two attempts to listen on a bus that can't be listened on.
const RETRY: Duration = Duration::from_secs(1);

/// Where listeners come to. Clones are the same hub.
#[derive(Clone)]
pub(crate) struct Hub {
    listeners: Listeners,
    _stop: Arc<DropGuard>,
}

impl Hub {
    /// Begins to listen on the bus, as long as the hub lives and whether or not NATS is there yet.
    pub fn start(bus: &Bus, latency: Latency) -> Self {
        let (listeners, stop) = (Listeners::default(), CancellationToken::new());
        let hearing = hear(bus.clone(), listeners.clone(), latency);
        tokio::spawn(stop.clone().run_until_cancelled_owned(hearing));
        Self { listeners, _stop: Arc::new(stop.drop_guard()) }
    }

    /// What happens from now on in a tenant: what concerns this person, or everything. Dropping the feed ends it.
    pub fn listen(&self, tenant: &TenantId, person: Option<&PersonId>) -> Feed {
        self.listeners.add(tenant, person)
    }

    #[cfg(test)]
    pub fn listeners(&self) -> usize {
        self.listeners.lock().tenants.values().map(HashMap::len).sum()
    }
}

/// One listener's end.
#[derive(Debug)]
pub(crate) struct Feed {
    listeners: Listeners,
    tenant: TenantId,
    id: u64,
    queue: Arc<Queue>,
}

/// The feed has ended: something that belongs into it was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The listener did not take what waited for it.
    TooSlow,
    /// This process could not keep up with the bus.
    Lost,
}

impl Feed {
    /// What comes before everything else: what this listener has missed.
    pub fn begin_with(&self, missed: &[ClientEvent]) {
        for event in missed {
            // Made here, so it has a JSON form.
            if let Ok(text) = serde_json::to_string(event) {
                self.queue.push(&Utf8Bytes::from(text));
            }
        }
    }

    /// The next event as canonical JSON. Nothing is lost when this is dropped.
    pub async fn next(&self) -> Result<Utf8Bytes, Ended> {
        loop {
            let changed = self.queue.changed.notified();
            {
                let mut waiting = self.queue.lock();
                if let Some(ended) = waiting.ended {
                    return Err(ended);
                }
                if let Some(frame) = waiting.frames.pop_front() {
                    waiting.bytes -= frame.len();
                    return Ok(frame);
                }
            }
            changed.await;
        }
    }

    /// Resolves once nothing more will come.
    pub async fn ended(&self) -> Ended {
        loop {
            let changed = self.queue.changed.notified();
            if let Some(ended) = self.queue.lock().ended {
                return ended;
            }
            changed.await;
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.listeners.remove(&self.tenant, self.id);
        metrics::gauge!(metric::WEBSOCKETS).decrement(1.0);
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
    ended: Option<Ended>,
}

impl Queue {
    fn push(&self, frame: &Utf8Bytes) {
        let mut waiting = self.lock();
        if waiting.ended.is_some() {
            return;
        }
        let fits = waiting.frames.len() < MOST_FRAMES && waiting.bytes + frame.len() <= MOST_BYTES;
        // One that is larger than all that may wait can still be next.
        if fits || waiting.frames.is_empty() {
            waiting.bytes += frame.len();
            waiting.frames.push_back(frame.clone());
        } else {
            waiting.end(Ended::TooSlow);
        }
        drop(waiting);
        self.changed.notify_one();
    }

    fn end(&self, ended: Ended) {
        self.lock().end(ended);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// What waits is let go at once: nobody would know what is missing between it and what comes.
    fn end(&mut self, ended: Ended) {
        *self = Self { ended: self.ended.or(Some(ended)), ..Self::default() };
    }
}

/// Everybody who listens, by tenant: an event looks only at its own.
#[derive(Debug, Clone, Default)]
struct Listeners(Arc<Mutex<Registry>>);

#[derive(Debug, Default)]
struct Registry {
    next_id: u64,
    tenants: HashMap<TenantId, HashMap<u64, Listener>>,
}

#[derive(Debug)]
struct Listener {
    /// `None`: everything in the tenant.
    person: Option<PersonId>,
    queue: Arc<Queue>,
}

impl Listeners {
    fn add(&self, tenant: &TenantId, person: Option<&PersonId>) -> Feed {
        let queue = Arc::new(Queue::default());
        let mut registry = self.lock();
        let id = registry.next_id;
        registry.next_id += 1;
        let listener = Listener { person: person.cloned(), queue: Arc::clone(&queue) };
        registry.tenants.entry(tenant.clone()).or_default().insert(id, listener);
        metrics::gauge!(metric::WEBSOCKETS).increment(1.0);
        Feed { listeners: self.clone(), tenant: tenant.clone(), id, queue }
    }

    fn remove(&self, tenant: &TenantId, id: u64) {
        let mut registry = self.lock();
        if let Some(listeners) = registry.tenants.get_mut(tenant) {
            listeners.remove(&id);
            if listeners.is_empty() {
                registry.tenants.remove(tenant);
            }
        }
    }

    /// Passes an event on to whom it concerns. `about` is the person whose conversation it happened in, if it was one's.
    fn deliver(&self, tenant: &TenantId, about: Option<&str>, event: &ClientEvent) {
        let registry = self.lock();
        let Some(listeners) = registry.tenants.get(tenant) else { return };
        let concerns = |person: &PersonId| {
            about == Some(person.as_str()) || event.people.iter().any(|concerned| concerned == person.as_str())
        };
        let mut concerned =
            listeners.values().filter(|listener| listener.person.as_ref().is_none_or(concerns)).peekable();
        if concerned.peek().is_none() {
            return;
        }
        // A message that came as JSON has a JSON form.
        let Ok(text) = serde_json::to_string(event) else { return };
        let frame = Utf8Bytes::from(text);
        concerned.for_each(|listener| listener.queue.push(&frame));
    }

    fn end_all(&self, ended: Ended) {
        let registry = self.lock();
        registry.tenants.values().flat_map(HashMap::values).for_each(|listener| listener.queue.end(ended));
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn hear(bus: Bus, listeners: Listeners, latency: Latency) {
    loop {
        let rooms = bus.subscribe::<ClientEvent>(subject::ALL_ROOM_EVENTS).await;
        let people = bus.subscribe::<ClientEvent>(subject::ALL_PERSON_EVENTS).await;
        let pushes = bus.subscribe::<Notification>(subject::ALL_NOTIFY_PUSHES).await;
        match (rooms, people, pushes) {
            (Ok(rooms), Ok(people), Ok(pushes)) => pass_on(rooms, people, pushes, &listeners, &latency).await,
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                tracing::warn!(%error, "what happens can't be heard");
            }
        }
        // Who listens must not believe that nothing happens.
        listeners.end_all(Ended::Lost);
        tokio::time::sleep(RETRY).await;
    }
}

/// Returns when a subscription has ended. A connection that is lost does not end one.
async fn pass_on(
    mut rooms: Subscription<ClientEvent>,
    mut people: Subscription<ClientEvent>,
    mut pushes: Subscription<Notification>,
    listeners: &Listeners,
    latency: &Latency,
) {
    loop {
        // Each arm only receives.
        let heard = tokio::select! {
            event = rooms.next() => event,
            event = people.next() => event,
            push = pushes.next() => push.map(|push| push.map(told)),
        };
        match heard {
            None => return,
            Some(Ok(Event { subject, message, .. })) => {
                if let Some(client_event::Event::TurnMetrics(metrics)) = &message.event {
                    latency.of_voice(metrics);
                }
                if let Some((tenant, about)) = address(&subject) {
                    listeners.deliver(&tenant, about.as_deref(), &message);
                }
            }
            // Nobody can say whose events these were.
            Some(Err(error @ Error::Overflow { .. })) => {
                tracing::warn!(%error, "everybody who listens is let go");
                listeners.end_all(Ended::Lost);
            }
            Some(Err(error)) => tracing::debug!(%error, "an event was passed over"),
        }
    }
}

/// A notification as the event that its person's clients get.
fn told(push: Event<Notification>) -> Event<ClientEvent> {
    let person = address(&push.subject).and_then(|(_, person)| person).unwrap_or_default();
    Event { message: notified(&person, push.message), context: push.context, subject: push.subject }
}

/// Whose event it is, and in whose conversation it happened: `room.<tenant>.<room>.events`,
/// `people.<tenant>.<person>.events` or `notify.push.<tenant>.<person>`. The subject says it, not the message.
fn address(subject: &str) -> Option<(TenantId, Option<String>)> {
    let mut tokens = subject.strip_prefix("notify.").unwrap_or(subject).split('.');
    let (kind, tenant, name) = (tokens.next()?, tokens.next()?, tokens.next()?);
    let tenant = TenantId::new(subject::unescape(tenant)?).ok()?;
    let about = if kind == "people" || kind == "push" { Some(subject::unescape(name)?) } else { None };
    Some((tenant, about))
}

#[cfg(test)]
mod tests {
    use aether_proto::{AgentId, RoomName, StatusEvent};
    use aether_testkit as testkit;
    use futures::FutureExt as _;

    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn person(name: &str) -> PersonId {
        PersonId::new(name).unwrap()
    }

    fn status(message: &str, people: &[&str]) -> ClientEvent {
        let status = StatusEvent { code: "test".to_owned(), message: message.to_owned() };
        let people = people.iter().map(|one| (*one).to_owned()).collect();
        ClientEvent { people, event: Some(client_event::Event::Status(status)), ..ClientEvent::default() }
    }

    /// The message of the next event, if one waits.
    fn waits(feed: &Feed) -> Option<String> {
        let frame = feed.next().now_or_never()?.ok()?;
        let event: ClientEvent = serde_json::from_str(&frame).unwrap();
        match event.event {
            Some(client_event::Event::Status(status)) => Some(status.message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_goes_to_whom_it_concerns_and_to_nobody_else() {
        let listeners = Listeners::default();
        let acme = tenant("acme");
        let everything = listeners.add(&acme, None);
        let (ada, bob) = (listeners.add(&acme, Some(&person("ada"))), listeners.add(&acme, Some(&person("bob"))));
        let other_ada = listeners.add(&tenant("globex"), Some(&person("ada")));
        let other_everything = listeners.add(&tenant("globex"), None);

        listeners.deliver(&acme, None, &status("both", &["ada", "bob"]));
        listeners.deliver(&acme, None, &status("one", &["bob"]));
        listeners.deliver(&acme, Some("ada"), &status("typed", &[]));
        listeners.deliver(&acme, None, &status("nobody's", &[]));
        assert_eq!(std::iter::from_fn(|| waits(&ada)).collect::<Vec<_>>(), ["both", "typed"]);
        assert_eq!(std::iter::from_fn(|| waits(&bob)).collect::<Vec<_>>(), ["both", "one"]);
        assert_eq!(std::iter::from_fn(|| waits(&everything)).count(), 4);
        assert_eq!((waits(&other_ada), waits(&other_everything)), (None, None));
    }

    #[test]
    fn all_share_one_frame() {
        let listeners = Listeners::default();
        let (one, two) = (listeners.add(&tenant("acme"), None), listeners.add(&tenant("acme"), None));
        listeners.deliver(&tenant("acme"), None, &status("x", &[]));
        let (one, two) = (one.next().now_or_never().unwrap().unwrap(), two.next().now_or_never().unwrap().unwrap());
        assert_eq!(one.as_str().as_ptr(), two.as_str().as_ptr());
    }

    #[test]
    fn who_does_not_keep_up_is_let_go_with_all_that_waited() {
        let listeners = Listeners::default();
        let acme = tenant("acme");
        let (slow, quick) = (listeners.add(&acme, None), listeners.add(&acme, None));
        for _ in 0..MOST_FRAMES {
            listeners.deliver(&acme, None, &status("x", &[]));
            assert!(waits(&quick).is_some());
        }
        assert!(slow.ended().now_or_never().is_none(), "so many may wait");
        listeners.deliver(&acme, None, &status("one too many", &[]));
        assert_eq!(slow.next().now_or_never(), Some(Err(Ended::TooSlow)));
        assert_eq!(slow.ended().now_or_never(), Some(Ended::TooSlow));
        assert_eq!(slow.queue.lock().frames.capacity(), 0, "its memory is free although it has not gone");
        assert_eq!(waits(&quick).as_deref(), Some("one too many"), "nobody else is held up");

        let bytes = listeners.add(&acme, None);
        let large = "x".repeat(MOST_BYTES / 4);
        (0..4).for_each(|_| listeners.deliver(&acme, None, &status(&large, &[])));
        assert_eq!(bytes.ended().now_or_never(), Some(Ended::TooSlow), "the bound is in bytes, too");

        let one = listeners.add(&acme, None);
        listeners.deliver(&acme, None, &status(&"x".repeat(2 * MOST_BYTES), &[]));
        assert!(waits(&one).is_some(), "one alone may be larger");
    }

    #[test]
    fn whoever_comes_and_goes_leaves_nothing_behind() {
        let listeners = Listeners::default();
        for round in 0..1_000 {
            let feeds: Vec<_> = (0..10).map(|one| listeners.add(&tenant(&format!("t{one}")), None)).collect();
            listeners.deliver(&tenant("t3"), None, &status("x", &[]));
            assert_eq!(listeners.lock().tenants.len(), 10, "round {round}");
            drop(feeds);
        }
        assert!(listeners.lock().tenants.is_empty());
        assert_eq!(Arc::strong_count(&listeners.0), 1);
    }

    #[test]
    fn a_subject_says_whose_it_is() {
        let sly = tenant("a.b > *");
        let kitchen = subject::room_events(&sly, &RoomName::new("kitchen.events").unwrap());
        assert_eq!(address(&kitchen), Some((sly.clone(), None)));
        let typed = subject::person_events(&sly, &person("ada.l"));
        assert_eq!(address(&typed), Some((sly, Some("ada.l".to_owned()))));
        assert_eq!(address("room.%zz.kitchen.events"), None);
    }

    #[tokio::test]
    async fn what_is_said_on_the_bus_is_heard_also_after_nats_was_away() {
        let mut nats = testkit::nats().await;
        let gateway = Bus::connect(aether_bus::Options::new(&nats.url, "gateway")).await.unwrap();
        let agent = Bus::connect(aether_bus::Options::new(&nats.url, "agent")).await.unwrap();
        let hub = Hub::start(&gateway, Latency::default());
        let acme = tenant("acme");
        let feed = hub.listen(&acme, Some(&person("ada")));
        let context = aether_bus::Context::new(acme.clone(), AgentId::new("aether").unwrap());
        let kitchen = subject::room_events(&acme, &RoomName::new("kitchen 🍳/1.2").unwrap());
        let typed = subject::person_events(&acme, &person("ada"));

        for round in 0..2 {
            // The subscription is made in the background.
            testkit::eventually("an event is heard", 10, || async {
                let told = agent.publish(&context, &kitchen, &status("in the kitchen", &["ada"])).await;
                let heard = tokio::time::timeout(Duration::from_millis(100), feed.next()).await;
                told.is_ok() && heard.is_ok_and(|frame| frame.unwrap().contains("in the kitchen"))
            })
            .await;
            while waits(&feed).is_some() {}
            agent.publish(&context, &typed, &status("typed", &[])).await.unwrap();
            let frame = tokio::time::timeout(Duration::from_secs(5), feed.next()).await.unwrap().unwrap();
            assert!(frame.contains("typed"), "round {round}: {frame}");
            nats.kill().await;
            nats.restart().await;
        }
    }
}
