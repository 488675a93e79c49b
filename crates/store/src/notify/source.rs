use aether_proto::{AgentId, PersonId, TenantId};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::text::storable;
use crate::{Error, TenantTransaction};

/// Who may send events by webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    pub source: String,
    pub name: String,
    pub created_at: OffsetDateTime,
}

/// Whose a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSource {
    pub tenant: TenantId,
    pub agent: AgentId,
    pub person: PersonId,
    pub name: String,
}

impl TenantTransaction {
    /// The id under which the source is known from now on: of one with this name, its own.
    pub async fn upsert_source(
        &mut self,
        agent: &AgentId,
        person: &PersonId,
        source: &str,
        name: &str,
    ) -> Result<String, Error> {
        let row = sqlx::query!(
            "INSERT INTO notify.sources (agent_id, source_id, name, person_id) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, agent_id, person_id, name) DO UPDATE SET name = excluded.name
             RETURNING source_id",
            agent.as_str(),
            source,
            storable(name),
            person.as_str(),
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(row.source_id)
    }

    pub async fn sources(&mut self, agent: &AgentId, person: &PersonId) -> Result<Vec<SourceRow>, Error> {
        let rows = sqlx::query_as!(
            SourceRow,
            "SELECT source_id AS source, name, created_at FROM notify.sources
             WHERE agent_id = $1 AND person_id = $2 ORDER BY created_at, source_id",
            agent.as_str(),
            person.as_str(),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows)
    }

    /// False: there is none.
    pub async fn delete_source(&mut self, agent: &AgentId, person: &PersonId, source: &str) -> Result<bool, Error> {
        let deleted = sqlx::query!(
            "DELETE FROM notify.sources WHERE agent_id = $1 AND person_id = $2 AND source_id = $3",
            agent.as_str(),
            person.as_str(),
            storable(source),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(deleted.rows_affected() == 1)
    }
}

pub(crate) async fn find(pool: &PgPool, source: &str) -> Result<Option<FoundSource>, Error> {
    let row = sqlx::query!(
        r#"SELECT tenant_id AS "tenant_id!", agent_id AS "agent_id!", name AS "name!", person_id AS "person_id!"
           FROM notify.find_source($1)"#,
        storable(source),
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(FoundSource {
            tenant: TenantId::new(row.tenant_id).map_err(Error::Unreadable)?,
            agent: AgentId::new(row.agent_id).map_err(Error::Unreadable)?,
            person: PersonId::new(row.person_id).map_err(Error::Unreadable)?,
            name: row.name,
        })
    })
    .transpose()
}
