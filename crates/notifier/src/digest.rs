//! Makes one notification of those that wait to be told together.

use aether_bus::Context;
use aether_proto::{Error, NotificationId, NotifyWorkReply, PersonId, PluginEvent, Urgency};
use aether_store::{NewNotification, NotificationQuery, NotificationRow};

use crate::desk::{Desk, failed};

/// Told in one digest; what is beyond it comes with the next.
const MOST: u32 = 50;

/// Answers `notify.work` with `digest`.
pub(crate) async fn tell(desk: &Desk, context: &Context, person: &PersonId) -> Result<NotifyWorkReply, Error> {
    gather(desk, context, person).await.map_err(|error| failed(&error))?;
    // Those, too, that were gathered by a process that died before it planned them. Planned twice, one is told once.
    let mut done = "nothing waits".to_owned();
    for row in gathered(desk, context, person).await.map_err(|error| failed(&error))? {
        desk.plan(context, &row).await?;
        done = row.title;
    }
    Ok(NotifyWorkReply { done, again_after_ms: 0 })
}

/// The digests that are not delivered yet.
async fn gathered(
    desk: &Desk,
    context: &Context,
    person: &PersonId,
) -> Result<Vec<NotificationRow>, aether_store::Error> {
    let agent = &context.agent;
    let query = NotificationQuery { agent, person, unseen: true, state: "delivering", before: None, limit: MOST };
    let mut rows = desk.store.tenant(&context.tenant).await?.notifications(&query).await?;
    rows.retain(|row| row.source == "digest");
    Ok(rows)
}

async fn gather(desk: &Desk, context: &Context, person: &PersonId) -> Result<(), aether_store::Error> {
    let agent = &context.agent;
    let mut transaction = desk.store.tenant(&context.tenant).await?;
    let query = NotificationQuery { agent, person, unseen: true, state: "digest", before: None, limit: MOST };
    let mut waiting = transaction.notifications(&query).await?;
    waiting.reverse();
    let Some(first) = waiting.first() else { return Ok(()) };
    let title = match waiting.len() {
        1 => format!("One thing you may want to know: {}", first.title),
        count => format!("{count} things you may want to know"),
    };
    let new = NewNotification {
        notification: NotificationId::generate(),
        agent,
        person,
        source: "digest",
        // Whoever gathers the same a second time finds the first one's.
        event_id: &format!("{}:{}", first.notification, first.round),
        kind: "digest",
        title: &title.chars().take(200).collect::<String>(),
        text: &lines(&waiting),
        url: "",
        urgency: i32::from(Urgency::Normal) as i16,
        state: "delivering",
        reason: "it is the time for it",
        due_at: None,
        expires_at: None,
    };
    transaction.insert_notification(&new).await?;
    for one in &waiting {
        transaction.settle_notification(one.notification, "delivered", "it was told in a digest", None).await?;
    }
    transaction.commit().await
}

fn lines(waiting: &[NotificationRow]) -> String {
    let mut text = String::new();
    for one in waiting {
        let line = format!("• {} ({})\n", one.title, one.source);
        if text.len() + line.len() > PluginEvent::LONGEST_TEXT {
            text.push('…');
            break;
        }
        text.push_str(&line);
    }
    text.trim_end().to_owned()
}
