//! Takes events: each becomes a row, is decided by rule where one says, and is planned.

use std::sync::Arc;
use std::time::Duration;

use aether_bus::{ConsumeError, Context};
use aether_proto::{NotificationId, PersonId, PluginEvent};
use aether_store::{NewNotification, NotificationRow, TenantTransaction};
use aether_telemetry::{metric, with_causes};
use jiff::Timestamp;
use time::OffsetDateTime;

use crate::decision::{Decided, Decision, Learned, Situation};
use crate::desk::{Desk, offset, wishes};
use crate::event::Event;
use crate::quiet::Wishes;

const HOUR: Duration = Duration::from_secs(3600);

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
            let (hour, moment) = (ago(now, HOUR), ago(now, desk.options.repetition));
            let past = transaction.notification_past(&new, hour, moment).await?;
            let rule =
                past.rule.as_ref().and_then(|(learned, reason)| Some((Learned::read(learned)?, reason.as_str())));
            let (was_said, told) = (past.was_said, past.told);
            let now = &wishes.now(now);
            Situation { now, wishes: &wishes, urgency: event.urgency, rule, was_said, told }.decide()
        }
    };
    let (state, reason, due_at) = outcome(decided.as_ref(), &wishes, now);
    let new = NewNotification { state, reason: &reason, due_at: due_at.map(offset), ..new };
    let (row, _) = transaction.insert_notification(&new).await?;
    transaction.commit().await?;
    if decided.is_some() {
        metrics::histogram!(metric::NOTIFICATION_DECISION, "by" => "rule").record(began.elapsed().as_secs_f64());
    }
    metrics::counter!(metric::NOTIFICATIONS, "state" => row.state.clone()).increment(1);
    Ok(row)
}

/// How much the person was told in the last hour.
pub(crate) async fn told(
    transaction: &mut TenantTransaction,
    context: &Context,
    person: &PersonId,
    now: Timestamp,
) -> Result<u32, aether_store::Error> {
    transaction.told_since(&context.agent, person, ago(now, HOUR)).await
}

fn ago(now: Timestamp, time: Duration) -> OffsetDateTime {
    offset(now.saturating_sub(time).unwrap_or(now))
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
