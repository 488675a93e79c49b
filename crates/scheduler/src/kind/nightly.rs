//! What is done every night, when little else is: each agent of each tenant has these schedules from its first job on.

use aether_bus::Context;
use aether_job::Missed;
use aether_proto::JobId;
use aether_store::NewSchedule;
use serde_json::Value;
use time::OffsetDateTime;

use super::{Kind, embedding_backfill, missed_turns, retention};
use crate::recurrence::Recurring;

/// One after the other, by UTC.
const ALL: [(&dyn Kind, &str); 3] = [
    (&retention::Retention, "17 3 * * *"),
    (&missed_turns::MissedTurns, "27 3 * * *"),
    (&embedding_backfill::EmbeddingBackfill, "37 3 * * *"),
];

pub(crate) fn schedules(context: &Context, now: OffsetDateTime) -> Vec<NewSchedule> {
    ALL.into_iter().filter_map(|(kind, cron)| schedule(context, kind, cron, now)).collect()
}

fn schedule(context: &Context, kind: &dyn Kind, cron: &str, now: OffsetDateTime) -> Option<NewSchedule> {
    Some(NewSchedule {
        schedule: JobId::generate(),
        agent: context.agent.clone(),
        kind: kind.name().to_owned(),
        modality: "text",
        person: None,
        session: None,
        payload: Value::Null,
        priority: kind.priority().number().into(),
        idempotency_key: kind.name().to_owned(),
        cron: cron.to_owned(),
        time_zone: String::new(),
        missed: Missed::RunOnce.as_str(),
        next_at: Recurring::read(cron, "").ok()?.next(now)?,
    })
}

#[cfg(test)]
mod tests {
    use aether_proto::{AgentId, TenantId};

    use super::*;

    #[test]
    fn each_has_a_time_that_comes() {
        let context = Context::new(TenantId::new("acme").unwrap(), AgentId::new("aether").unwrap());
        let kinds: Vec<_> =
            schedules(&context, OffsetDateTime::UNIX_EPOCH).into_iter().map(|schedule| schedule.kind).collect();
        assert_eq!(kinds, ALL.map(|(kind, _)| kind.name()));
    }
}
