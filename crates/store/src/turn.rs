//! Turns: the turn log folded into rows, and read back as history.
//!
//! The log's consumer may see an entry twice and, after a failed delivery, out of order. So every fold is one whose result
//! doesn't depend on either: a step that has its row in `agents.turn_steps` is skipped, chunks are put together by their
//! index, and what was heard only grows.

use aether_proto::turn_log_entry::Step;
use aether_proto::{AgentId, RoomName, SessionId, TurnId, TurnLogEntry};
use time::OffsetDateTime;

use crate::text::storable;
use crate::{Error, NewSession, TenantTransaction};

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnStatus {
    /// Not ended, or its end was lost with the process that ran it.
    Open,
    Completed,
    Interrupted,
    Cancelled,
    Error,
}

impl TurnStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
        }
    }

    /// The status behind a reason in the log or a text in the database; what a newer peer invented reads as an error.
    pub fn from_reason(reason: &str) -> Self {
        [Self::Open, Self::Completed, Self::Interrupted, Self::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == reason)
            .unwrap_or(Self::Error)
    }
}

/// One turn as history tells it: what the person said and what of the answer reached them.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    pub turn: TurnId,
    /// Both empty when nobody asked: a greeting.
    pub person_id: String,
    pub person_name: String,
    pub words: String,
    pub heard: String,
    pub status: TurnStatus,
    pub started_at: OffsetDateTime,
}

/// Whether an entry of the turn log was news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Now,
    Before,
}

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The same entry fails the same way for ever: drop it.
    #[error("turn log entry without a usable {0}")]
    Malformed(&'static str),
    #[error(transparent)]
    Store(#[from] Error),
}

impl TenantTransaction {
    /// Folds one entry of the turn log into the rows of its turn.
    pub async fn apply_turn_log_entry(&mut self, agent: &AgentId, entry: &TurnLogEntry) -> Result<Applied, ApplyError> {
        let session: SessionId = entry.session_id.parse().map_err(|_| ApplyError::Malformed("session id"))?;
        let turn: TurnId = entry.turn_id.parse().map_err(|_| ApplyError::Malformed("turn id"))?;
        let step = entry.step.as_ref().ok_or(ApplyError::Malformed("step"))?;
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(entry.at_unix_us) * 1000)
            .map_err(|_| ApplyError::Malformed("time"))?;
        let room = match step {
            Step::UserCommitted(committed) => RoomName::new(committed.room.clone()).ok(),
            _ => None,
        };

        self.open_session(&NewSession { agent: agent.clone(), session, room, started_at: at }).await?;
        self.lock_turn(agent, session, turn, at).await?;
        if !self.insert_step(agent, turn, entry.sequence, step, at).await? {
            return Ok(Applied::Before);
        }
        self.fold_step(turn, step, at).await?;
        Ok(Applied::Now)
    }

    /// The last `limit` turns of a session, oldest first. `current` is left out: its words are the question itself.
    pub async fn history(
        &mut self,
        session: SessionId,
        current: Option<TurnId>,
        limit: u32,
    ) -> Result<Vec<Exchange>, Error> {
        let rows = sqlx::query!(
            "SELECT turn_id, person_id, person_name, modality, words, answer, heard_bytes, status, started_at
             FROM agents.turns
             WHERE session_id = $1 AND turn_id IS DISTINCT FROM $2
             ORDER BY started_at DESC, turn_id DESC
             LIMIT $3",
            session.as_uuid(),
            current.map(|turn| turn.as_uuid()),
            i64::from(limit),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let newest_first = rows.into_iter().map(|row| Exchange {
            turn: TurnId::from_uuid(row.turn_id),
            heard: heard_part(&row.answer, row.heard_bytes, &row.modality).to_owned(),
            person_id: row.person_id,
            person_name: row.person_name,
            words: row.words,
            status: TurnStatus::from_reason(&row.status),
            started_at: row.started_at,
        });
        Ok(newest_first.rev().collect())
    }

    /// Makes the turn's row unless it is there, and keeps others from folding into the same turn until the commit: a chunk
    /// that another transaction inserted but did not commit would be missing from the answer.
    async fn lock_turn(
        &mut self,
        agent: &AgentId,
        session: SessionId,
        turn: TurnId,
        at: OffsetDateTime,
    ) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO agents.turns (agent_id, session_id, turn_id, started_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, turn_id) DO NOTHING",
            agent.as_str(),
            session.as_uuid(),
            turn.as_uuid(),
            at,
        )
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query!("SELECT FROM agents.turns WHERE turn_id = $1 FOR UPDATE", turn.as_uuid())
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// False when the step was there already.
    async fn insert_step(
        &mut self,
        agent: &AgentId,
        turn: TurnId,
        sequence: u32,
        step: &Step,
        at: OffsetDateTime,
    ) -> Result<bool, Error> {
        let (kind, chunk) = match step {
            Step::UserCommitted(_) => ("user_committed", None),
            Step::AnswerChunk(chunk) => ("answer_chunk", Some(chunk)),
            Step::Heard(_) => ("heard", None),
            Step::Ended(_) => ("ended", None),
        };
        let inserted = sqlx::query!(
            "INSERT INTO agents.turn_steps (agent_id, turn_id, sequence, kind, chunk_index, chunk_text, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant_id, turn_id, sequence) DO NOTHING",
            agent.as_str(),
            turn.as_uuid(),
            i64::from(sequence),
            kind,
            chunk.map(|chunk| i64::from(chunk.index)),
            chunk.map(|chunk| storable(&chunk.text)),
            at,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }

    async fn fold_step(&mut self, turn: TurnId, step: &Step, at: OffsetDateTime) -> Result<(), Error> {
        let turn = turn.as_uuid();
        let query = match step {
            Step::UserCommitted(committed) => sqlx::query!(
                "UPDATE agents.turns
                 SET words = $2, person_id = $3, person_name = $4, modality = $5, started_at = least(started_at, $6)
                 WHERE turn_id = $1",
                turn,
                storable(&committed.text),
                storable(&committed.person_id),
                storable(&committed.person_name),
                if committed.modality == "text" { "text" } else { "voice" },
                at,
            ),
            Step::AnswerChunk(_) => sqlx::query!(
                "UPDATE agents.turns
                 SET answer = (SELECT string_agg(chunk_text, '' ORDER BY chunk_index)
                               FROM agents.turn_steps WHERE turn_id = $1 AND kind = 'answer_chunk')
                 WHERE turn_id = $1",
                turn,
            ),
            Step::Heard(heard) => sqlx::query!(
                "UPDATE agents.turns SET heard_bytes = greatest(heard_bytes, $2) WHERE turn_id = $1",
                turn,
                i64::from(heard.text_bytes),
            ),
            Step::Ended(ended) => sqlx::query!(
                "UPDATE agents.turns SET status = $2, ended_at = $3 WHERE turn_id = $1",
                turn,
                TurnStatus::from_reason(&ended.reason).as_str(),
                at,
            ),
        };
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }
}

/// What reached the person of `answer`: its first `heard_bytes` bytes, cut back to a whole character. Without any report a
/// typed answer was read in full and a spoken one not heard at all.
pub fn heard_part<'a>(answer: &'a str, heard_bytes: Option<i64>, modality: &str) -> &'a str {
    match heard_bytes {
        Some(bytes) => {
            let bytes = usize::try_from(bytes).unwrap_or(0);
            &answer[..answer.floor_char_boundary(bytes)]
        }
        None if modality == "text" => answer,
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_heard_counts_as_said() {
        for (heard_bytes, modality, heard) in [
            (None, "voice", ""),
            (None, "text", "Grüße, Ada."),
            (Some(0), "text", ""),
            (Some(3), "voice", "Gr"),
            (Some(4), "voice", "Grü"),
            (Some(1000), "voice", "Grüße, Ada."),
            (Some(-1), "voice", ""),
        ] {
            assert_eq!(heard_part("Grüße, Ada.", heard_bytes, modality), heard, "{heard_bytes:?} {modality}");
        }
    }

    #[test]
    fn an_unknown_reason_is_an_error() {
        assert_eq!(TurnStatus::from_reason("interrupted"), TurnStatus::Interrupted);
        assert_eq!(TurnStatus::from_reason("from_the_future"), TurnStatus::Error);
    }
}
