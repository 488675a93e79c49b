//! Takes events: each becomes a row, is decided by rule where one says, and is planned.

use std::sync::Arc;

use aether_bus::{ConsumeError, Context};
use aether_proto::{NotificationId, PluginEvent, Urgency};
use aether_store::{NewNotification, NotificationRow, TenantTransaction};
use aether_telemetry::{metric, with_causes};
use jiff::{SignedDuration, Timestamp};

use crate::decision::{Decided, Decision, Learned, Situation};
use crate::desk::{Desk, offset, wishes};
use crate::event::Event;
use crate::quiet::Wishes;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// One message of the stream. It may come twice: its row and its plan are there once.
pub(crate) async fn take(desk: Arc<Desk>, context: Context, event: PluginEvent) -> Result<(), ConsumeError> {
    let event = Event::read(event, Timestamp::now()).map_err(ConsumeError::Reject)?;
    let retry = |error: &dyn std::error::Error| ConsumeError::Retry(with_causes(error));
    let row = notice(&desk, &context, &event).await.map_err(|error| retry(&error))?;
    desk.plan(&context, &row).await.map_err(|error| ConsumeError::Retry(error.message))
}

async fn notice(desk: &Desk, context: &Context, event: &Event) -> Result<NotificationRow, aether_store::Error> {
    let began = std::time::Instant::now();
    let mut transaction = desk.store.tenant(&context.tenant).await?;
    let new = NewNotification {
        notification: NotificationId::generate(),
        agent: &context.agent,
        person: &event.person,
        source: &event.source,
        event_id: &event.id,
        kind: &event.kind,
        title: &event.title,
        text: &event.text,
        url: &event.url,
        urgency: i32::from(event.urgency) as i16,
        state: "undecided",
        reason: "",
        due_at: None,
        expires_at: event.expires_at.map(offset),
    };
    let now = Timestamp::now();
    let wishes = wishes(&mut transaction, context, &event.person).await?;
    let decided = match event.expires_at {
        Some(expires_at) if expires_at <= now => {
            Some(Decided { decision: Decision::Never, reason: "it came too late".to_owned() })
        }
        _ => {
            let since = offset(now.saturating_sub(desk.options.repetition).unwrap_or(now));
            let was_said = transaction.was_said(&new, since).await?;
            by_rule(&mut transaction, context, event, &wishes, was_said).await?
        }
    };
    let (state, reason, due_at) = outcome(decided.as_ref(), &wishes, now);
    let new = NewNotification { state, reason: &reason, due_at: due_at.map(offset), ..new };
    let (row, _) = transaction.insert_notification(&new).await?;
    transaction.commit().await?;
    metrics::histogram!(metric::NOTIFICATION_DECISION, "by" => "rule").record(began.elapsed().as_secs_f64());
    metrics::counter!(metric::NOTIFICATIONS, "state" => row.state.clone()).increment(1);
    Ok(row)
}

async fn by_rule(
    transaction: &mut TenantTransaction,
    context: &Context,
    event: &Event,
    wishes: &Wishes,
    was_said: bool,
) -> Result<Option<Decided>, aether_store::Error> {
    let now = Timestamp::now();
    let (agent, person) = (&context.agent, &event.person);
    let rule = transaction.rule(agent, person, &event.source, &event.kind).await?;
    let rule = rule.and_then(|rule| Some((Learned::read(&rule.decision)?, rule.reason)));
    let told = told(transaction, context, &event.person, now).await?;
    let situation = Situation {
        now: &wishes.now(now),
        wishes,
        urgency: event.urgency,
        rule: rule.as_ref().map(|(learned, reason)| (*learned, reason.as_str())),
        was_said,
        told,
    };
    Ok(situation.decide())
}

/// How much the person was told in the last hour.
pub(crate) async fn told(
    transaction: &mut TenantTransaction,
    context: &Context,
    person: &aether_proto::PersonId,
    now: Timestamp,
) -> Result<u32, aether_store::Error> {
    let since = offset(now.saturating_sub(HOUR).unwrap_or(now));
    transaction.told_since(&context.agent, person, since).await
}

/// State, reason and time of what was decided so.
pub(crate) fn outcome(
    decided: Option<&Decided>,
    wishes: &Wishes,
    now: Timestamp,
) -> (&'static str, String, Option<Timestamp>) {
    let Some(Decided { decision, reason }) = decided else {
        return ("undecided", "it is being judged".to_owned(), None);
    };
    let (state, due_at) = match decision {
        Decision::Now => ("delivering", None),
        Decision::Later(at) => ("waiting", Some(at.timestamp())),
        Decision::Digest => ("digest", wishes.next_digest(&wishes.now(now)).map(|at| at.timestamp())),
        Decision::Never => ("never", None),
    };
    (state, reason.clone(), due_at)
}

/// As the row keeps it.
pub(crate) fn urgency(row: &NotificationRow) -> Urgency {
    Urgency::try_from(i32::from(row.urgency)).unwrap_or_default()
}
