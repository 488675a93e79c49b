//! Sessions: one stay of an agent in one room, or one typed conversation.

use aether_proto::{AgentId, RoomName, SessionId};
use time::OffsetDateTime;

use crate::{Error, TenantTransaction};

#[derive(Debug, Clone)]
pub struct NewSession {
    pub agent: AgentId,
    pub session: SessionId,
    /// Unknown while only steps that don't name it have arrived.
    pub room: Option<RoomName>,
    pub started_at: OffsetDateTime,
}

impl TenantTransaction {
    /// Makes the session's row unless it is there. A room that was unknown is filled in; a known one stays.
    pub async fn open_session(&mut self, session: &NewSession) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO agents.sessions (agent_id, session_id, room, started_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, session_id) DO UPDATE SET room = excluded.room
             WHERE sessions.room IS NULL AND excluded.room IS NOT NULL",
            session.agent.as_str(),
            session.session.as_uuid(),
            session.room.as_ref().map(RoomName::as_str),
            session.started_at,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}
