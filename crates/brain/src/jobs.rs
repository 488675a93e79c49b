//! What the agent asks the scheduler to do at another time, and what of it is still to come.

use std::time::Duration;

use aether_bus::{Bus, Context};
use aether_proto::{
    AgentId, Error, JobAction, JobControl, JobControlReply, KernelReply, KernelRequest, PersonId, Recurrence, TenantId,
    TurnId, job_control, subject,
};
use aether_store::{JobQuery, Store};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::json;

use crate::input::Opening;
use crate::tool::reminder::when::When;

const REMINDER: &str = "reminder";
pub const FACT_EXTRACTION: &str = "fact_extraction";
pub const SESSION_SUMMARY: &str = "session_summary";
/// The scheduler answers as soon as it has written something down.
const ANSWER: Duration = Duration::from_secs(3);
/// Reminders of one person that are looked at.
const MOST: u32 = 100;
/// States of a reminder that is still to come.
const TO_COME: [&str; 4] = ["PENDING", "SCHEDULED", "EXECUTING", "RETRYING"];

#[derive(Clone)]
pub struct Jobs {
    bus: Bus,
    store: Store,
}

/// Why what is done after a turn is not asked for yet.
#[derive(Debug, thiserror::Error)]
pub enum AfterTurnError {
    #[error("the turn can't be read")]
    Store(#[from] aether_store::Error),
    #[error("the scheduler did not take it")]
    Submit(#[from] aether_bus::Error),
}

/// A reminder that is still to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Reminder {
    pub id: String,
    pub about: String,
    pub when: When,
}

impl Jobs {
    pub const fn new(bus: Bus, store: Store) -> Self {
        Self { bus, store }
    }

    /// In one turn the same wish is one reminder, however often it is asked for.
    pub async fn remind(&self, opening: &Opening, person: &PersonId, about: &str, when: &When) -> Result<(), Error> {
        let (due_unix_ms, recurrence) = match when {
            When::Once(at) => (at.timestamp().as_millisecond(), None),
            When::Repeatedly(cron) => {
                let time_zone = zone().iana_name().unwrap_or_default().to_owned();
                (0, Some(Recurrence { cron: cron.clone(), time_zone, ..Recurrence::default() }))
            }
        };
        let request = KernelRequest {
            kind: REMINDER.to_owned(),
            modality: opening.modality.into(),
            person_id: person.to_string(),
            session_id: opening.session.to_string(),
            payload: json!({ "about": about }).to_string(),
            due_unix_ms,
            recurrence,
            idempotency_key: format!("{}/{about}", opening.turn).chars().take(120).collect(),
            ..KernelRequest::default()
        };
        let asked = self.bus.request::<_, KernelReply>(&context(opening), subject::JOBS_SUBMIT, &request).await;
        asked.map(|_| ()).map_err(Error::from)
    }

    /// Has done what is to be done after a turn, each kind after its time, if the turn is over and a person said something in
    /// it. However often this is asked, it is one job of each kind.
    pub async fn after_turn(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        turn: TurnId,
        kinds: &[(&str, Duration)],
    ) -> Result<(), AfterTurnError> {
        let mut transaction = self.store.tenant(tenant).await?;
        let Some(finished) = transaction.finished_turn(agent, turn).await? else { return Ok(()) };
        drop(transaction);
        for (kind, after) in kinds {
            let request = KernelRequest {
                kind: (*kind).to_owned(),
                person_id: finished.person.to_string(),
                session_id: finished.session.to_string(),
                payload: json!({ "turn_id": turn.to_string() }).to_string(),
                due_unix_ms: (Timestamp::now() + *after).as_millisecond(),
                idempotency_key: turn.to_string(),
                ..KernelRequest::default()
            };
            let context =
                Context::new(tenant.clone(), agent.clone()).with_session(finished.session).with_deadline(ANSWER);
            self.bus.request::<_, KernelReply>(&context, subject::JOBS_SUBMIT, &request).await?;
        }
        Ok(())
    }

    /// The next one first.
    pub async fn reminders(&self, opening: &Opening, person: &PersonId) -> Result<Vec<Reminder>, aether_store::Error> {
        let mut transaction = self.store.tenant(&opening.tenant).await?;
        let states = TO_COME.map(str::to_owned);
        let query = JobQuery {
            agent: &opening.agent,
            person: Some(person),
            kind: Some(REMINDER),
            states: &states,
            session: None,
            before: None,
            limit: MOST,
        };
        let mut jobs = transaction.jobs(&query).await?;
        jobs.retain(|job| job.schedule.is_none());
        jobs.sort_by_key(|job| job.due_at);
        let schedules = transaction.schedules(&opening.agent, Some(person), Some(REMINDER), MOST).await?;
        let about = |payload: &serde_json::Value| payload["about"].as_str().unwrap_or_default().to_owned();
        let once = jobs.iter().filter_map(|job| {
            let at = Timestamp::from_second(job.due_at.unix_timestamp()).ok()?;
            let when = When::Once(at.to_zoned(zone()));
            Some(Reminder { id: job.job.to_string(), about: about(&job.payload), when })
        });
        let repeated = schedules.iter().map(|schedule| Reminder {
            id: schedule.schedule.to_string(),
            about: about(&schedule.payload),
            when: When::Repeatedly(schedule.cron.clone()),
        });
        Ok(once.chain(repeated).collect())
    }

    /// False: it is not to come any more.
    pub async fn cancel(&self, opening: &Opening, person: &PersonId, reminder: &Reminder) -> Result<bool, Error> {
        let wish = JobControl {
            what: Some(job_control::What::JobId(reminder.id.clone())),
            action: JobAction::Cancel.into(),
            person_id: person.to_string(),
        };
        let asked = self.bus.request::<_, JobControlReply>(&context(opening), subject::JOBS_CONTROL, &wish).await;
        match asked {
            Ok(reply) => Ok(reply.changed > 0),
            Err(aether_bus::Error::Remote(error)) if error.error_code() == aether_proto::ErrorCode::Conflict => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn context(opening: &Opening) -> Context {
    Context::new(opening.tenant.clone(), opening.agent.clone()).with_session(opening.session).with_deadline(ANSWER)
}

/// The machine's zone as it is now: it may have been changed since the start.
pub fn now() -> Zoned {
    Zoned::now().with_time_zone(zone())
}

fn zone() -> TimeZone {
    TimeZone::system()
}
