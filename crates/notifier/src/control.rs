//! A person's wishes about what they are told.

use aether_bus::Context;
use aether_proto::{
    Error, ErrorCode, NotificationFeedback, NotificationId, NotificationSettings, NotificationSnooze,
    NotificationTarget, NotifyControl, NotifyControlReply, PersonId, Urgency, notify_control::Wish,
};
use aether_store::{NewTarget, NotificationRow, NotifySettings, TenantTransaction};
use jiff::{SignedDuration, Timestamp};
use rand::distr::{Alphanumeric, SampleString as _};
use uuid::Uuid;

use crate::decision::Learned;
use crate::desk::{Desk, failed, invalid, offset};
use crate::learning::{OFTEN, learn};
use crate::quiet::Wishes;

/// A week.
const LONGEST_SNOOZE: u32 = 7 * 24 * 60;
const MOST_TARGETS: usize = 20;
const LONGEST_NAME: usize = 32;
/// 71 bits: who does not know it, does not find it.
const CHANCE: usize = 12;
/// Names under which we tell ourselves.
const OURS: [&str; 4] = ["digest", "reminder", "agent", "job"];

/// Answers one `notify.control`.
pub(crate) async fn control(desk: &Desk, context: Context, wish: NotifyControl) -> Result<NotifyControlReply, Error> {
    let person = PersonId::new(wish.person_id).map_err(invalid)?;
    let wish = wish.wish.ok_or_else(|| invalid("nothing is wished"))?;
    if matches!(wish, Wish::PushKey(_)) {
        let push_key = desk.channels.push_key();
        return Ok(NotifyControlReply { push_key, ..NotifyControlReply::default() });
    }
    let mut transaction = desk.store.tenant(&context.tenant).await.map_err(|error| failed(&error))?;
    let mut asked = Asked { desk, context: &context, person: &person, transaction: &mut transaction };
    let mut plan = None;
    let mut secret = String::new();
    let id = match wish {
        Wish::Feedback(feedback) => asked.feedback(feedback).await?,
        Wish::Seen(id) => {
            let row = asked.find(&id).await?;
            asked.write(async |one| one.see_notification(row.notification, None).await).await?;
            id
        }
        Wish::Snooze(snooze) => {
            let row = asked.snooze(snooze).await?;
            plan.insert(row).notification.to_string()
        }
        Wish::ForgetRule(id) => asked.forget_rule(id).await?,
        Wish::Settings(settings) => asked.settings(settings).await?,
        Wish::AddTarget(target) => {
            let is_webhook = target.channel == "webhook";
            let id = asked.add_target(target).await?;
            if is_webhook {
                secret = desk.channels.webhook_secret(&id).reveal();
            }
            id
        }
        Wish::RemoveTarget(id) => asked.remove_target(id).await?,
        Wish::AddSource(name) => asked.add_source(&name).await?,
        Wish::RemoveSource(id) => asked.remove_source(id).await?,
        Wish::PushKey(_) => String::new(),
    };
    transaction.commit().await.map_err(|error| failed(&error))?;
    if let Some(row) = plan {
        desk.plan(&context, &row).await?;
    }
    Ok(NotifyControlReply { id, secret, push_key: String::new() })
}

struct Asked<'a> {
    desk: &'a Desk,
    context: &'a Context,
    person: &'a PersonId,
    transaction: &'a mut TenantTransaction,
}

impl Asked<'_> {
    async fn write<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut TenantTransaction) -> Result<T, aether_store::Error>,
    ) -> Result<T, Error> {
        statement(self.transaction).await.map_err(|error| failed(&error))
    }

    async fn find(&mut self, id: &str) -> Result<NotificationRow, Error> {
        let unknown = || ErrorCode::NotFound.error(format_args!("there is no notification {id:?}"));
        let notification: NotificationId = id.parse().map_err(|_| unknown())?;
        let (agent, person) = (&self.context.agent, self.person);
        let row = self.transaction.lock_notification(agent, Some(person), notification).await;
        row.map_err(|error| failed(&error))?.ok_or_else(unknown)
    }

    /// The id of the rule that it led to, if it did.
    async fn feedback(
        &mut self,
        NotificationFeedback { notification_id, feedback }: NotificationFeedback,
    ) -> Result<String, Error> {
        if !["engaged", "dismissed", "muted"].contains(&feedback.as_str()) {
            return Err(invalid("`feedback` must be `engaged`, `dismissed` or `muted`"));
        }
        let row = self.find(&notification_id).await?;
        let (agent, person) = (&self.context.agent, self.person);
        self.write(async |one| {
            one.see_notification(row.notification, Some(&feedback)).await?;
            let feedback = one.feedback(agent, person, &row.source, &row.kind, OFTEN).await?;
            let Some((learned, reason)) = learn(&feedback) else { return Ok(String::new()) };
            let known = one.rule(agent, person, &row.source, &row.kind).await?;
            if known.is_some_and(|rule| Learned::read(&rule.decision) == Some(learned)) {
                return Ok(String::new());
            }
            let rule = one.learn_rule(agent, person, &row.source, &row.kind, learned.as_str(), &reason).await?;
            Ok(rule.rule.to_string())
        })
        .await
    }

    async fn snooze(&mut self, snooze: NotificationSnooze) -> Result<NotificationRow, Error> {
        if !(1..=LONGEST_SNOOZE).contains(&snooze.minutes) {
            return Err(invalid(format_args!("`snooze_minutes` must be from 1 to {LONGEST_SNOOZE}")));
        }
        let row = self.find(&snooze.notification_id).await?;
        let now = Timestamp::now();
        let due_at = now.saturating_add(SignedDuration::from_mins(snooze.minutes.into())).unwrap_or(now);
        let id = row.notification;
        self.write(async |one| one.renew_notification(id, "you snoozed it", offset(due_at)).await).await?;
        self.find(&snooze.notification_id).await
    }

    async fn forget_rule(&mut self, id: String) -> Result<String, Error> {
        let (agent, person) = (&self.context.agent, self.person);
        self.known(&id, "rule", async |one, rule| one.forget_rule(agent, person, rule).await).await
    }

    async fn remove_target(&mut self, id: String) -> Result<String, Error> {
        let (agent, person) = (&self.context.agent, self.person);
        self.known(&id, "target", async |one, target| one.delete_target(agent, person, target).await).await
    }

    async fn known(
        &mut self,
        id: &str,
        what: &str,
        statement: impl AsyncFnOnce(&mut TenantTransaction, Uuid) -> Result<bool, aether_store::Error>,
    ) -> Result<String, Error> {
        let unknown = || ErrorCode::NotFound.error(format_args!("there is no {what} {id:?}"));
        let uuid = Uuid::parse_str(id).map_err(|_| unknown())?;
        let was_there = self.write(async |one| statement(one, uuid).await).await?;
        was_there.then(|| id.to_owned()).ok_or_else(unknown)
    }

    async fn settings(&mut self, settings: NotificationSettings) -> Result<String, Error> {
        let some = |text: String| (!text.is_empty()).then_some(text);
        let settings = NotifySettings {
            quiet_from: some(settings.quiet_from),
            quiet_until: some(settings.quiet_until),
            time_zone: settings.time_zone,
            digest_at: settings.digest_at,
            most_per_hour: i32::try_from(settings.most_per_hour).unwrap_or(i32::MAX),
        };
        Wishes::read(&settings).map_err(invalid)?;
        let (agent, person) = (&self.context.agent, self.person);
        self.write(async |one| one.set_notify_settings(agent, person, &settings).await).await?;
        Ok(String::new())
    }

    async fn add_target(&mut self, target: NotificationTarget) -> Result<String, Error> {
        self.desk.channels.check(&target).map_err(invalid)?;
        let least = match target.least_urgency() {
            Urgency::Unspecified => match target.channel.as_str() {
                "push" => Urgency::Normal,
                "email" => Urgency::High,
                _ => Urgency::Low,
            },
            named => named,
        };
        let new = NewTarget {
            channel: &target.channel,
            address: &target.address,
            push_key: &target.push_key,
            push_auth: &target.push_auth,
            least_urgency: i32::from(least) as i16,
        };
        let (agent, person) = (&self.context.agent, self.person);
        let (id, count) = self
            .write(async |one| {
                let id = one.upsert_target(agent, person, &new).await?;
                Ok((id, one.targets(agent, person).await?.len()))
            })
            .await?;
        if count > MOST_TARGETS {
            return Err(invalid(format_args!("there are {MOST_TARGETS} targets already: remove one")));
        }
        Ok(id.to_string())
    }

    async fn add_source(&mut self, name: &str) -> Result<String, Error> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(fits) {
            return Err(invalid(format_args!(
                "`name` must have 1 to {LONGEST_NAME} lower-case letters, digits and hyphens"
            )));
        }
        if OURS.contains(&name) {
            return Err(invalid(format_args!("`name`: {name:?} is a name of ours, choose another")));
        }
        let id = format!("{name}-{}", Alphanumeric.sample_string(&mut rand::rng(), CHANCE));
        let (agent, person) = (&self.context.agent, self.person);
        self.write(async |one| one.upsert_source(agent, person, &id, name).await).await
    }

    async fn remove_source(&mut self, id: String) -> Result<String, Error> {
        let (agent, person) = (&self.context.agent, self.person);
        let was_there = self.write(async |one| one.delete_source(agent, person, &id).await).await?;
        was_there
            .then_some(id.clone())
            .ok_or_else(|| ErrorCode::NotFound.error(format_args!("there is no source {id:?}")))
    }
}
