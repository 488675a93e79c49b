//! Tells one person one thing, in every place where they can be told: on the page, in the room they are in, and through the
//! channels they have set up. Each place takes it once; one that fails is tried again by itself.

use std::time::Duration;

use aether_bus::Context;
use aether_proto::{
    Announce, Error, Notification, NotificationId, NotifyDelivery, NotifyWorkReply, RoomControl, RoomControlReply,
    Urgency, room_control, subject,
};
use aether_store::{DeliveryRow, NotificationRow, TargetRow};
use aether_telemetry::metric;
use time::OffsetDateTime;

use crate::channel::{self, Failure, Message};
use crate::desk::{Desk, failed, invalid, unix_ms};
use crate::event::one_line;

/// Within it the agent in the room takes what is to be said, or does not.
const ASKING: Duration = Duration::from_secs(3);
/// Who was not found in so long is looked for less often.
const LONG: time::Duration = time::Duration::minutes(10);
/// How much is said aloud, in characters; the rest is on the page.
const SPOKEN: usize = 300;

/// Answers `notify.work` with `deliver`. Fails where a place that takes it another time did not take it now.
pub(crate) async fn deliver(desk: &Desk, context: &Context, wanted: &NotifyDelivery) -> Result<NotifyWorkReply, Error> {
    let id: NotificationId = wanted.notification_id.parse().map_err(invalid)?;
    let done = |what: &str| Ok(NotifyWorkReply { done: what.to_owned(), again_after_ms: 0 });
    let delivery = match begin(desk, context, id, wanted.round).await.map_err(|error| failed(&error))? {
        Ok(delivery) => delivery,
        Err(why) => return done(why),
    };
    let mut told = Told::default();
    delivery.on_the_page(&mut told).await;
    if delivery.urgency >= Urgency::Normal || delivery.urgency == Urgency::Unspecified {
        delivery.in_a_room(&mut told).await;
    }
    for target in &delivery.targets {
        delivery.through(target, &mut told).await;
    }
    delivery.end(told).await
}

/// What is needed to deliver; or why there is nothing to do.
async fn begin<'a>(
    desk: &'a Desk,
    context: &'a Context,
    id: NotificationId,
    round: i32,
) -> Result<Result<Delivery<'a>, &'static str>, aether_store::Error> {
    let mut transaction = desk.store.tenant(&context.tenant).await?;
    let Some(row) = transaction.lock_notification(&context.agent, None, id).await? else {
        return Ok(Err("there is no such notification"));
    };
    if row.round != round || !matches!(row.state.as_str(), "delivering" | "waiting") {
        return Ok(Err("it is settled, or planned anew"));
    }
    if row.seen_at.is_some() {
        transaction.settle_notification(id, "delivered", &row.reason, None).await?;
        transaction.commit().await?;
        return Ok(Err("it was seen before"));
    }
    if row.is_expired {
        transaction.settle_notification(id, "never", "its time was over before it could be told", None).await?;
        transaction.commit().await?;
        return Ok(Err("its time is over"));
    }
    let before = transaction.deliveries(id, round).await?;
    let targets = transaction.targets(&context.agent, &row.person).await?;
    let urgency = row.urgency();
    Ok(Ok(Delivery { desk, context, row, urgency, before, targets }))
}

struct Delivery<'a> {
    desk: &'a Desk,
    context: &'a Context,
    row: NotificationRow,
    urgency: Urgency,
    /// What earlier attempts came to.
    before: Vec<DeliveryRow>,
    targets: Vec<TargetRow>,
}

/// What this attempt has come to.
#[derive(Default)]
struct Told {
    /// Somewhere where the person notices it.
    reached: bool,
    in_a_room: bool,
    /// To be tried again, and why.
    failed: Vec<String>,
    retry_after: Option<Duration>,
}

impl Delivery<'_> {
    fn was_delivered(&self, target: &str) -> bool {
        self.before.iter().any(|delivery| delivery.delivered && delivery.target == target)
    }

    /// Whoever looks at the page right now sees it; whoever comes later finds it in the list.
    async fn on_the_page(&self, told: &mut Told) {
        if self.was_delivered("page") {
            return;
        }
        let subject = subject::notify_push(&self.context.tenant, &self.row.person);
        match self.desk.bus.publish(self.context, &subject, &Notification::from(&self.row)).await {
            Ok(()) => self.write("page", Ok(())).await,
            Err(error) => told.failed.push(format!("page: {error}")),
        }
    }

    /// The agent in the room says it when nobody speaks.
    async fn in_a_room(&self, told: &mut Told) {
        if self.was_delivered("room") {
            (told.reached, told.in_a_room) = (true, true);
            return;
        }
        let rooms = match self.desk.rooms.rooms_of(&self.context.tenant, &self.row.person).await {
            Ok(rooms) => rooms,
            Err(error) => {
                tracing::warn!(%error, "nobody can say who is in which room");
                return;
            }
        };
        // The agent says under one id once what it was asked to say, however often it is asked.
        let id = format!("{}:{}", self.row.notification, self.row.round);
        let announce = Announce { id, person_id: self.row.person.to_string(), text: spoken(&self.row) };
        let wish = RoomControl { action: Some(room_control::Action::Announce(announce)) };
        for room in rooms {
            let context = self.context.clone().with_deadline(ASKING);
            let subject = subject::room_control(&self.context.tenant, &room);
            match self.desk.bus.request(&context, &subject, &wish).await.map(|RoomControlReply { .. }| ()) {
                Ok(()) => {
                    self.write("room", Ok(())).await;
                    (told.reached, told.in_a_room) = (true, true);
                    return;
                }
                // The agent or the person has just gone, or it has too much to say already.
                Err(error) => tracing::debug!(%error, %room, "a notification was not taken in a room"),
            }
        }
    }

    async fn through(&self, target: &TargetRow, told: &mut Told) {
        let name = target.target.to_string();
        if self.was_delivered(&name) {
            told.reached |= target.channel != "webhook";
            return;
        }
        // What was said aloud need not buzz in a pocket too; programs want everything.
        let is_for_a_person = target.channel != "webhook";
        let urgency = if self.urgency == Urgency::Unspecified { Urgency::Normal } else { self.urgency };
        let is_wanted = i32::from(target.least_urgency) <= i32::from(urgency);
        if target.broken.is_some() || !is_wanted || (is_for_a_person && told.in_a_room) {
            return;
        }
        let sent = self.desk.channels.send(target, &message(&self.row, urgency)).await;
        let outcome = if sent.is_ok() { "delivered" } else { "failed" };
        metrics::counter!(metric::NOTIFICATION_DELIVERIES, "channel" => target.channel.clone(), "outcome" => outcome)
            .increment(1);
        match sent {
            Ok(()) => {
                told.reached |= is_for_a_person;
                self.write(&name, Ok(())).await;
            }
            Err(Failure::Temporary { reason, retry_after }) => {
                self.write(&name, Err(&reason)).await;
                told.failed.push(format!("{}: {reason}", target.channel));
                told.retry_after = told.retry_after.max(retry_after);
            }
            Err(Failure::Permanent { reason }) => {
                tracing::warn!(channel = target.channel, reason, "a target will never work again");
                self.write(&name, Err(&reason)).await;
                self.give_up(target, &reason).await;
            }
        }
    }

    /// What can't be written is at worst told twice.
    async fn write(&self, target: &str, outcome: Result<(), &str>) {
        let delivery = DeliveryRow {
            target: target.to_owned(),
            delivered: outcome.is_ok(),
            reason: outcome.err().unwrap_or_default().to_owned(),
        };
        let written = async {
            let mut transaction = self.desk.store.tenant(&self.context.tenant).await?;
            transaction.write_delivery(&self.context.agent, self.row.notification, self.row.round, &delivery).await?;
            transaction.commit().await
        };
        if let Err(error) = written.await {
            tracing::warn!(error = aether_telemetry::with_causes(&error), target, "a delivery was not written down");
        }
    }

    async fn give_up(&self, target: &TargetRow, reason: &str) {
        let broken = async {
            let mut transaction = self.desk.store.tenant(&self.context.tenant).await?;
            transaction.break_target(target.target, reason).await?;
            transaction.commit().await
        };
        if let Err(error) = broken.await {
            tracing::warn!(error = aether_telemetry::with_causes(&error), "a broken target was not marked");
        }
    }

    async fn end(self, told: Told) -> Result<NotifyWorkReply, Error> {
        if let Some(pause) = told.retry_after.filter(|_| !told.failed.is_empty()) {
            return Ok(again(pause, &told.failed.join("; ")));
        }
        if !told.failed.is_empty() {
            return Err(aether_proto::ErrorCode::Unavailable.error(told.failed.join("; ")));
        }
        if !told.reached && self.urgency >= Urgency::High {
            let age = OffsetDateTime::now_utc() - self.row.created_at;
            let pause = self.desk.options.until_there;
            return Ok(again(if age > LONG { pause * 6 } else { pause }, "nobody is there to be told"));
        }
        let (state, reason) = if told.reached {
            ("delivered", self.row.reason.clone())
        } else {
            ("undeliverable", "nobody was in a room and no channel is set up, so it waits in the list".to_owned())
        };
        let settled = async {
            let mut transaction = self.desk.store.tenant(&self.context.tenant).await?;
            // Somebody may have snoozed it meanwhile.
            let row = transaction.lock_notification(&self.context.agent, None, self.row.notification).await?;
            if row.is_some_and(|row| row.round == self.row.round) {
                transaction.settle_notification(self.row.notification, state, &reason, None).await?;
            }
            transaction.commit().await
        };
        settled.await.map_err(|error| failed(&error))?;
        Ok(NotifyWorkReply { done: state.to_owned(), again_after_ms: 0 })
    }
}

fn again(pause: Duration, why: &str) -> NotifyWorkReply {
    NotifyWorkReply {
        done: why.to_owned(),
        again_after_ms: u32::try_from(pause.as_millis()).unwrap_or(u32::MAX).max(1),
    }
}

fn message(row: &NotificationRow, urgency: Urgency) -> Message {
    Message {
        id: row.notification,
        title: row.title.clone(),
        text: row.text.clone(),
        url: row.url.clone(),
        urgency: match urgency {
            Urgency::Low => channel::Urgency::Low,
            Urgency::Unspecified | Urgency::Normal => channel::Urgency::Normal,
            Urgency::High => channel::Urgency::High,
            Urgency::Urgent => channel::Urgency::Urgent,
        },
        created_unix_ms: unix_ms(row.created_at),
    }
}

/// What the agent says: who says so, and what.
fn spoken(row: &NotificationRow) -> String {
    let title = row.title.trim_end_matches(['.', '!']);
    let said = match row.source.as_str() {
        "digest" => format!("{title}: {}", row.text.replace("• ", "").replace('\n', ", ")),
        // It is a whole sentence of our own.
        "reminder" => title.to_owned(),
        source => format!("A message from {source}: {title}"),
    };
    let short: String = one_line(&said).chars().take(SPOKEN).collect();
    format!("{short}.")
}
