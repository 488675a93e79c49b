//! The tenant's people, and the tenant's own row.

use aether_proto::PersonId;
use time::OffsetDateTime;

use crate::text::storable;
use crate::{Error, TenantTransaction};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    pub person_id: String,
    /// What they want to be called; empty until somebody says.
    pub name: String,
    pub created_at: OffsetDateTime,
}

impl TenantTransaction {
    /// Everybody, in the order in which they became known.
    pub async fn people(&mut self) -> Result<Vec<PersonRow>, Error> {
        let rows = sqlx::query_as!(
            PersonRow,
            "SELECT person_id, name, created_at FROM identity.people ORDER BY created_at, person_id",
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows)
    }

    pub async fn person(&mut self, person: &PersonId) -> Result<Option<PersonRow>, Error> {
        let row = sqlx::query_as!(
            PersonRow,
            "SELECT person_id, name, created_at FROM identity.people WHERE person_id = $1",
            person.as_str(),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row)
    }

    /// Makes the person's row, and the tenant's, unless they are there; the name is this one from now on.
    pub async fn upsert_person(&mut self, person: &PersonId, name: &str) -> Result<(), Error> {
        self.ensure_tenant().await?;
        sqlx::query!(
            "INSERT INTO identity.people (person_id, name) VALUES ($1, $2)
             ON CONFLICT (tenant_id, person_id) DO UPDATE SET name = excluded.name",
            person.as_str(),
            storable(name),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// A person without a name, unless they are there already. The tenant's row must be.
    pub(crate) async fn ensure_person(&mut self, person: &PersonId) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO identity.people (person_id) VALUES ($1) ON CONFLICT (tenant_id, person_id) DO NOTHING",
            person.as_str(),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    pub(crate) async fn ensure_tenant(&mut self) -> Result<(), Error> {
        sqlx::query!("INSERT INTO identity.tenants DEFAULT VALUES ON CONFLICT (tenant_id) DO NOTHING")
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}
