//! The past as people look at it: sessions, what was said in them, and what is to be forgotten.
//!
//! Everybody who said something in a session was in the room, so they may read all of it; nobody else may know that it
//! happened. Whoever asks for no person in particular sees every session of the agent.

use aether_proto::{AgentId, PersonId, SessionId, TurnId};
use time::OffsetDateTime;

use crate::{Error, TenantTransaction, TurnStatus, heard_part};

/// Which sessions to list.
#[derive(Debug, Clone)]
pub struct SessionQuery<'a> {
    pub agent: &'a AgentId,
    /// Only sessions in which this person said something.
    pub person: Option<&'a PersonId>,
    /// Only sessions that began before this.
    pub before: Option<OffsetDateTime>,
    pub limit: u32,
}

/// A session as a line in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    pub session: SessionId,
    pub room: Option<String>,
    pub started_at: OffsetDateTime,
    /// When its last turn ended, or began if it has not ended.
    pub last_at: OffsetDateTime,
    pub turns: i64,
    /// How the first thing said in it begins; at most 160 characters.
    pub first_words: String,
    /// What it was about; both empty until it has gone quiet.
    pub title: String,
    pub summary: String,
    /// Names, or ids where there is no name, of those who said something, in the order in which they first did.
    pub people: Vec<String>,
}

/// One thing said and the answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnRow {
    pub turn: TurnId,
    pub person_id: String,
    pub person_name: String,
    /// `voice` or `text`.
    pub modality: String,
    pub words: String,
    /// All that was generated.
    pub answer: String,
    /// What of it reached the person; a beginning of `answer`.
    pub heard: String,
    pub status: TurnStatus,
    pub started_at: OffsetDateTime,
    pub ended_at: Option<OffsetDateTime>,
}

impl TenantTransaction {
    /// Sessions with something in them, the one that began last first.
    pub async fn sessions(&mut self, query: &SessionQuery<'_>) -> Result<Vec<SessionSummary>, Error> {
        let rows = sqlx::query!(
            r#"SELECT session.session_id, session.room, session.started_at, session.title, session.summary,
                      summary.last_at AS "last_at!", summary.turns AS "turns!", summary.first_words,
                      ARRAY(SELECT (array_agg(coalesce(nullif(person_name, ''), person_id) ORDER BY started_at DESC))[1]
                            FROM agents.turns
                            WHERE session_id = session.session_id AND person_id <> ''
                            GROUP BY person_id
                            ORDER BY min(started_at)) AS "people!"
               FROM (SELECT session_id, room, started_at, title, summary
                     FROM agents.sessions
                     WHERE agent_id = $1 AND started_at < coalesce($3, 'infinity'::timestamptz)
                           AND EXISTS (SELECT FROM agents.turns
                                       WHERE turns.session_id = sessions.session_id
                                             AND ($2::text IS NULL OR (turns.agent_id = $1 AND turns.person_id = $2)))
                     ORDER BY started_at DESC, session_id DESC
                     LIMIT $4) AS session,
                    LATERAL (SELECT count(*) AS turns, max(coalesce(ended_at, started_at)) AS last_at,
                                    (array_agg(left(words, 160) ORDER BY started_at, turn_id)
                                     FILTER (WHERE words <> ''))[1] AS first_words
                             FROM agents.turns WHERE session_id = session.session_id) AS summary
               ORDER BY session.started_at DESC, session.session_id DESC"#,
            query.agent.as_str(),
            query.person.map(PersonId::as_str),
            query.before,
            i64::from(query.limit),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let summaries = rows.into_iter().map(|row| SessionSummary {
            session: SessionId::from_uuid(row.session_id),
            room: row.room,
            started_at: row.started_at,
            last_at: row.last_at,
            turns: row.turns,
            first_words: row.first_words.unwrap_or_default(),
            title: row.title,
            summary: row.summary,
            people: row.people,
        });
        Ok(summaries.collect())
    }

    /// All turns of a session, oldest first. `None`: the agent had no such session, or `person` said nothing in it.
    pub async fn session_turns(
        &mut self,
        session: SessionId,
        person: Option<&PersonId>,
        agent: &AgentId,
    ) -> Result<Option<Vec<TurnRow>>, Error> {
        if !self.session_exists(session, person, agent).await? {
            return Ok(None);
        }
        let rows = sqlx::query!(
            "SELECT turn_id, person_id, person_name, modality, words, answer, heard_bytes, status, started_at, ended_at
             FROM agents.turns
             WHERE session_id = $1
             ORDER BY started_at, turn_id",
            session.as_uuid(),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let turns = rows.into_iter().map(|row| TurnRow {
            turn: TurnId::from_uuid(row.turn_id),
            heard: heard_part(&row.answer, row.heard_bytes, &row.modality).to_owned(),
            person_id: row.person_id,
            person_name: row.person_name,
            modality: row.modality,
            words: row.words,
            answer: row.answer,
            status: TurnStatus::from_reason(&row.status),
            started_at: row.started_at,
            ended_at: row.ended_at,
        });
        Ok(Some(turns.collect()))
    }

    /// Whether the agent had this session and, if `person` is given, they said something in it.
    pub async fn session_exists(
        &mut self,
        session: SessionId,
        person: Option<&PersonId>,
        agent: &AgentId,
    ) -> Result<bool, Error> {
        let found = sqlx::query!(
            r#"SELECT EXISTS (SELECT FROM agents.sessions
                              WHERE session_id = $1 AND agent_id = $2
                                    AND ($3::text IS NULL
                                         OR EXISTS (SELECT FROM agents.turns
                                                    WHERE turns.session_id = sessions.session_id AND person_id = $3)))
                      AS "exists!""#,
            session.as_uuid(),
            agent.as_str(),
            person.map(PersonId::as_str),
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(found.exists)
    }

    /// Deletes those of `turns` that are this person's, and what is remembered of them or was learned from them; how many
    /// turns they were.
    pub async fn forget_turns(&mut self, agent: &AgentId, person: &PersonId, turns: &[TurnId]) -> Result<u64, Error> {
        let turns: Vec<_> = turns.iter().map(TurnId::as_uuid).collect();
        // Memories and steps go with their turn: see the foreign keys.
        let deleted = sqlx::query!(
            "DELETE FROM agents.turns WHERE agent_id = $1 AND person_id = $2 AND turn_id = ANY ($3) RETURNING session_id",
            agent.as_str(),
            person.as_str(),
            &turns,
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let sessions: Vec<_> = deleted.iter().map(|row| row.session_id).collect();
        // It may tell of what is gone.
        sqlx::query!("UPDATE agents.sessions SET title = '', summary = '' WHERE session_id = ANY ($1)", &sessions)
            .execute(&mut *self.transaction)
            .await?;
        // After the turns: whoever learns holds its turn's row until its facts are there.
        sqlx::query!(
            "DELETE FROM agents.facts
             WHERE agent_id = $1 AND person_id = $2 AND source_turn_id = ANY ($3) AND quote <> ''",
            agent.as_str(),
            person.as_str(),
            &turns,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(u64::try_from(deleted.len()).unwrap_or(u64::MAX))
    }
}
