//! What all who work here share, and how a time is asked of the scheduler.

use std::time::Duration;

use aether_bus::{Bus, Context};
use aether_proto::{Error, ErrorCode, KernelReply, KernelRequest, PersonId, subject};
use aether_store::{NotificationRow, Rooms, Store, TenantTransaction};
use jiff::Timestamp;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::Options;
use crate::channel::Channels;
use crate::quiet::Wishes;

/// The scheduler answers as soon as it has written something down.
const PLANNING: Duration = Duration::from_secs(3);

pub(crate) struct Desk {
    pub options: Options,
    pub bus: Bus,
    pub store: Store,
    pub rooms: Rooms,
    pub channels: Channels,
}

impl Desk {
    /// Asks for what is to come next with a notification, as its state says. Asked twice, it is planned once.
    pub async fn plan(&self, context: &Context, row: &NotificationRow) -> Result<(), Error> {
        let id = row.notification.to_string();
        let (kind, payload, key) = match row.state.as_str() {
            "undecided" => ("notification_decision", json!({ "notification_id": id }), id),
            "delivering" | "waiting" => {
                let round = row.round;
                ("notification_delivery", json!({ "notification_id": id, "round": round }), format!("{id}:{round}"))
            }
            "digest" => {
                let at = row.due_at.map_or(0, OffsetDateTime::unix_timestamp);
                ("notification_digest", Value::Null, format!("{}:{at}", row.person))
            }
            _ => return Ok(()),
        };
        let request = KernelRequest {
            kind: kind.to_owned(),
            person_id: row.person.to_string(),
            payload: payload.to_string(),
            due_unix_ms: row.due_at.map_or(0, unix_ms),
            idempotency_key: key,
            ..KernelRequest::default()
        };
        let context = context.clone().with_deadline(PLANNING);
        let asked = self.bus.request::<_, KernelReply>(&context, subject::JOBS_SUBMIT, &request).await;
        asked.map(|_| ()).map_err(Error::from)
    }
}

/// What the person wishes.
pub(crate) async fn wishes(
    transaction: &mut TenantTransaction,
    context: &Context,
    person: &PersonId,
) -> Result<Wishes, aether_store::Error> {
    let settings = transaction.notify_settings(&context.agent, person).await?.unwrap_or_default();
    Ok(Wishes::read(&settings).unwrap_or_else(|reason| {
        tracing::warn!(reason, "what a person set once can't be read any more, so it does not hold");
        Wishes::nothing_set()
    }))
}

pub(crate) fn failed(error: &aether_store::Error) -> Error {
    error.code().error(aether_telemetry::with_causes(error))
}

pub(crate) fn invalid(reason: impl std::fmt::Display) -> Error {
    ErrorCode::InvalidArgument.error(reason)
}

pub(crate) fn unix_ms(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

pub(crate) fn offset(at: Timestamp) -> OffsetDateTime {
    // Both count nanoseconds since 1970, and jiff's range lies within the other's.
    OffsetDateTime::from_unix_timestamp_nanos(at.as_nanosecond()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
