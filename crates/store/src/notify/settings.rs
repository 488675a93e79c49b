use aether_proto::{AgentId, PersonId};

use crate::{Error, TenantTransaction};

/// When, and how much, a person wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifySettings {
    /// Such as `22:00`; both or neither.
    pub quiet_from: Option<String>,
    pub quiet_until: Option<String>,
    /// IANA name; empty: the machine's own.
    pub time_zone: String,
    pub digest_at: Vec<String>,
    pub most_per_hour: i32,
}

impl Default for NotifySettings {
    /// What holds for who has set nothing.
    fn default() -> Self {
        let digest_at = vec!["09:00".to_owned(), "18:00".to_owned()];
        Self { quiet_from: None, quiet_until: None, time_zone: String::new(), digest_at, most_per_hour: 6 }
    }
}

impl TenantTransaction {
    /// What the person has set, if they have.
    pub async fn notify_settings(
        &mut self,
        agent: &AgentId,
        person: &PersonId,
    ) -> Result<Option<NotifySettings>, Error> {
        let row = sqlx::query_as!(
            NotifySettings,
            "SELECT quiet_from, quiet_until, time_zone, digest_at, most_per_hour FROM notify.settings
             WHERE agent_id = $1 AND person_id = $2",
            agent.as_str(),
            person.as_str(),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row)
    }

    pub async fn set_notify_settings(
        &mut self,
        agent: &AgentId,
        person: &PersonId,
        settings: &NotifySettings,
    ) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO notify.settings (agent_id, person_id, quiet_from, quiet_until, time_zone, digest_at,
                                          most_per_hour)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant_id, agent_id, person_id) DO UPDATE
             SET quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until, time_zone = excluded.time_zone,
                 digest_at = excluded.digest_at, most_per_hour = excluded.most_per_hour",
            agent.as_str(),
            person.as_str(),
            settings.quiet_from,
            settings.quiet_until,
            settings.time_zone,
            &settings.digest_at,
            settings.most_per_hour,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}
