//! A migrated database of its own for each test.

use std::time::Duration;

use aether_proto::turn_log_entry::Step;
use aether_proto::{
    AgentId, AnswerChunk, Ended, Heard, PersonId, SessionId, TenantId, TurnId, TurnLogEntry, UserCommitted,
};
use aether_store::{Embedding, Login, Options, Store};
use aether_testkit as testkit;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

pub struct Database {
    pub server: testkit::Postgres,
    /// As a login that may do more than any service: all to every table.
    pub service_url: String,
    pub store: Store,
}

pub async fn database() -> Database {
    let server = testkit::postgres().await;
    Store::migrate(&server.url, |login| password(login.service())).await.unwrap();
    let mut owner = PgConnection::connect(&server.url).await.unwrap();
    let roles = Login::ALL.map(Login::role).join(", ");
    let everything = format!(
        "SET synchronous_commit = on; -- some tests kill the server next
         CREATE ROLE everything LOGIN PASSWORD 'secret' IN ROLE {roles};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA agents, identity, jobs, notify TO everything"
    );
    sqlx::raw_sql(AssertSqlSafe(everything)).execute(&mut owner).await.unwrap();
    let host = server.url.rsplit_once('@').unwrap().1;
    let service_url = format!("postgres://everything:secret@{host}");
    let mut options = Options::new(&service_url);
    options.acquire_timeout = Duration::from_secs(10);
    let store = Store::connect(&options).unwrap();
    Database { server, service_url, store }
}

/// Of one service; it needs quoting.
pub fn password(service: &str) -> String {
    format!("{service}'s \"secret\"")
}

pub fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub fn agent() -> AgentId {
    AgentId::new("aether").unwrap()
}

pub fn person(name: &str) -> PersonId {
    PersonId::new(name).unwrap()
}

/// The same instant plus a second per step of the whole test, so that order is never by chance.
pub fn entry(session: SessionId, turn: TurnId, sequence: u32, step: Step) -> TurnLogEntry {
    TurnLogEntry {
        session_id: session.to_string(),
        turn_id: turn.to_string(),
        sequence,
        at_unix_us: 1_700_000_000_000_000 + i64::from(sequence) * 1_000_000,
        step: Some(step),
    }
}

pub fn committed(person: &str, text: &str) -> Step {
    Step::UserCommitted(UserCommitted {
        room: "kitchen".to_owned(),
        person_id: person.to_owned(),
        person_name: "Ada".to_owned(),
        text: text.to_owned(),
        modality: "voice".to_owned(),
    })
}

pub fn chunk(index: u32, text: &str) -> Step {
    Step::AnswerChunk(AnswerChunk { index, text: text.to_owned() })
}

pub fn heard(text_bytes: u32) -> Step {
    Step::Heard(Heard { text_bytes })
}

pub fn ended(reason: &str) -> Step {
    Step::Ended(Ended { reason: reason.to_owned() })
}

/// A vector that points along one axis, leaning by `lean` towards the next.
pub fn direction(axis: usize, lean: f32) -> Embedding {
    let mut values = vec![0.0; Embedding::DIMENSIONS];
    values[axis] = 1.0;
    values[axis + 1] = lean;
    Embedding::new(values).unwrap()
}
