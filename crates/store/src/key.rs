//! API keys: made and revoked inside a tenant, looked up before anybody knows which tenant it is.

use std::fmt;

use aether_proto::{AgentId, PersonId, TenantId};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::text::storable;
use crate::{Error, TenantTransaction};

/// What a presented key is compared with. It is found also when it has expired or was revoked.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    pub tenant: TenantId,
    pub agent: AgentId,
    pub person: Option<PersonId>,
    pub hash: Vec<u8>,
    /// Names with a space between them.
    pub scopes: String,
    pub expires_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
}

impl StoredKey {
    /// Whether the key opens anything at `now`.
    pub fn is_valid(&self, now: OffsetDateTime) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// A key to keep.
#[derive(Clone)]
pub struct NewKeyRow<'a> {
    pub agent: &'a AgentId,
    /// `None`: whoever has the key says each time whom they speak for.
    pub person: Option<&'a PersonId>,
    /// What its owner calls it.
    pub name: &'a str,
    pub prefix: &'a str,
    /// 32 bytes.
    pub hash: &'a [u8],
    pub scopes: &'a str,
    pub expires_at: Option<OffsetDateTime>,
}

/// What may be shown of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    pub prefix: String,
    pub name: String,
    pub agent: String,
    pub person: Option<String>,
    pub scopes: String,
    pub created_at: OffsetDateTime,
    pub expires_at: Option<OffsetDateTime>,
    /// To the minute.
    pub last_used_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
}

impl TenantTransaction {
    /// Keeps a key, and makes the rows of its tenant and person unless they are there.
    pub async fn insert_key(&mut self, key: &NewKeyRow<'_>) -> Result<(), Error> {
        self.ensure_tenant().await?;
        if let Some(person) = key.person {
            self.ensure_person(person).await?;
        }
        sqlx::query!(
            "INSERT INTO identity.api_keys (agent_id, person_id, name, prefix, hash, scopes, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            key.agent.as_str(),
            key.person.map(PersonId::as_str),
            storable(key.name),
            key.prefix,
            key.hash,
            key.scopes,
            key.expires_at,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// All of the tenant's keys, newest first, also those that open nothing any more.
    pub async fn keys(&mut self) -> Result<Vec<KeyRow>, Error> {
        let rows = sqlx::query_as!(
            KeyRow,
            "SELECT prefix, name, agent_id AS agent, person_id AS person, scopes,
                    created_at, expires_at, last_used_at, revoked_at
             FROM identity.api_keys
             ORDER BY created_at DESC, prefix",
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows)
    }

    /// Ends a key for ever; false when the tenant has no such key, or it was revoked before.
    pub async fn revoke_key(&mut self, prefix: &str) -> Result<bool, Error> {
        let revoked = sqlx::query!(
            "UPDATE identity.api_keys SET revoked_at = now() WHERE prefix = $1 AND revoked_at IS NULL",
            storable(prefix),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(revoked.rows_affected() == 1)
    }

    /// Notes that a key was used. At most one write a minute, however busy the key is.
    pub async fn touch_key(&mut self, prefix: &str) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE identity.api_keys SET last_used_at = now()
             WHERE prefix = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')",
            storable(prefix),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

/// The one question that crosses tenants, answered by a function of the database that can do nothing else.
pub(crate) async fn find(pool: &PgPool, prefix: &str) -> Result<Option<StoredKey>, Error> {
    let row = sqlx::query!(
        r#"SELECT tenant_id AS "tenant!", agent_id AS "agent!", person_id AS person, hash AS "hash!", scopes AS "scopes!",
                  expires_at, revoked_at
           FROM identity.find_key($1)"#,
        storable(prefix),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(StoredKey {
        tenant: TenantId::new(row.tenant).map_err(Error::Unreadable)?,
        agent: AgentId::new(row.agent).map_err(Error::Unreadable)?,
        person: row.person.map(PersonId::new).transpose().map_err(Error::Unreadable)?,
        hash: row.hash,
        scopes: row.scopes,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
    }))
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("tenant", &self.tenant)
            .field("agent", &self.agent)
            .field("person", &self.person)
            .field("scopes", &self.scopes)
            .field("expires_at", &self.expires_at)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NewKeyRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKeyRow")
            .field("agent", &self.agent)
            .field("person", &self.person)
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("scopes", &self.scopes)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
