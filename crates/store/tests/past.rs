//! Sessions are listed, read and forgotten by those who were there.

use std::time::Duration;

use aether_proto::turn_log_entry::Step;
use aether_proto::{AgentId, PersonId, SessionId, TenantId, TurnId};
use aether_store::{
    MemorySearch, NewMemory, SessionQuery, SessionSummary, Store, TenantTransaction, TurnRow, TurnStatus,
};
use aether_testkit as testkit;
use sqlx::Connection as _;
use time::OffsetDateTime;

use crate::database::{Database, agent, chunk, committed, database, direction, ended, entry, heard, person, tenant};

/// When the entries of `database::entry` begin.
fn begin() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap()
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

struct Said {
    tenant: TenantId,
    agent: AgentId,
    session: SessionId,
    minute: u64,
}

impl Said {
    fn at(session: SessionId, minute: u64) -> Self {
        Self { tenant: tenant("acme"), agent: agent(), session, minute }
    }

    async fn steps(&self, store: &Store, steps: impl IntoIterator<Item = Step>) -> TurnId {
        let turn = TurnId::generate();
        let mut transaction = store.tenant(&self.tenant).await.unwrap();
        for (sequence, step) in (0..).zip(steps) {
            let mut entry = entry(self.session, turn, sequence, step);
            entry.at_unix_us += i64::try_from(minutes(self.minute).as_micros()).unwrap();
            transaction.apply_turn_log_entry(&self.agent, &entry).await.unwrap();
        }
        transaction.commit().await.unwrap();
        turn
    }

    async fn words(&self, store: &Store, who: &str, words: &str) -> TurnId {
        self.steps(store, [named(who, who, words, "voice")]).await
    }
}

fn named(who: &str, name: &str, words: &str, modality: &str) -> Step {
    let mut step = committed(who, words);
    if let Step::UserCommitted(committed) = &mut step {
        committed.person_name = name.to_owned();
        committed.modality = modality.to_owned();
    }
    step
}

async fn transaction(database: &Database) -> TenantTransaction {
    database.store.tenant(&tenant("acme")).await.unwrap()
}

fn query<'a>(agent: &'a AgentId, person: Option<&'a PersonId>) -> SessionQuery<'a> {
    SessionQuery { agent, person, before: None, limit: 100 }
}

fn ids(summaries: &[SessionSummary]) -> Vec<SessionId> {
    summaries.iter().map(|summary| summary.session).collect()
}

#[tokio::test]
async fn a_session_is_summed_up() {
    let database = database().await;
    let store = &database.store;
    let session = SessionId::generate();
    let long = format!("{}…", "grüße ".repeat(50));
    let first = Said::at(session, 1);
    first.steps(store, [named("ben", "Ben", &long, "voice"), chunk(0, "Hello, Ben."), ended("completed")]).await;
    Said::at(session, 2).steps(store, [named("eve", "", "and me?", "text")]).await;
    Said::at(session, 3).steps(store, [named("ben", "Benjamin", "I'm called Benjamin", "voice")]).await;
    // The end of a turn whose beginning has not arrived: nobody's, without words.
    Said::at(session, 0).steps(store, [ended("completed")]).await;

    let listed = transaction(&database).await.sessions(&query(&agent(), None)).await.unwrap();
    let expected = SessionSummary {
        session,
        room: Some("kitchen".to_owned()),
        started_at: begin() + minutes(1),
        last_at: begin() + minutes(3),
        turns: 4,
        title: String::new(),
        summary: String::new(),
        first_words: long.chars().take(160).collect(),
        people: vec!["Benjamin".to_owned(), "eve".to_owned()],
    };
    assert_eq!(listed, [expected]);
}

#[tokio::test]
async fn sessions_come_newest_first_in_pages() {
    let database = database().await;
    let agent = agent();
    let mut sessions: Vec<_> = (0..7).map(|_| SessionId::generate()).collect();
    for (session, minute) in sessions.iter().zip([3, 0, 5, 1, 6, 2, 4]) {
        Said::at(*session, minute).words(&database.store, "ada", "hello").await;
    }
    sessions = [4, 2, 6, 0, 5, 3, 1].map(|index| sessions[index]).into();

    let mut transaction = transaction(&database).await;
    assert_eq!(ids(&transaction.sessions(&query(&agent, None)).await.unwrap()), sessions);
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = transaction.sessions(&SessionQuery { before, limit: 3, ..query(&agent, None) }).await.unwrap();
        before = page.last().map(|summary| summary.started_at);
        paged.push(page.len());
        assert_eq!(ids(&page), sessions[..page.len()]);
        sessions.drain(..page.len());
        if page.is_empty() {
            break;
        }
    }
    assert_eq!(paged, [3, 3, 1, 0]);
}

#[tokio::test]
async fn a_person_sees_the_sessions_they_took_part_in_and_all_of_those() {
    let database = database().await;
    let store = &database.store;
    let (agent, ada, eve) = (agent(), person("ada"), person("eve"));
    let (alone, together, other) = (SessionId::generate(), SessionId::generate(), SessionId::generate());
    Said::at(alone, 0).words(store, "ada", "only me").await;
    Said::at(together, 1).words(store, "ben", "who is there?").await;
    Said::at(together, 2).words(store, "ada", "I am").await;
    Said::at(other, 3).words(store, "ben", "only Ben").await;
    // The same names elsewhere.
    let (foreign, of_another_agent) = (SessionId::generate(), SessionId::generate());
    Said { tenant: tenant("globex"), ..Said::at(foreign, 4) }.words(store, "ada", "globex").await;
    let another = AgentId::new("another").unwrap();
    Said { agent: another.clone(), ..Said::at(of_another_agent, 5) }.words(store, "ada", "another").await;

    let mut transaction = transaction(&database).await;
    assert_eq!(ids(&transaction.sessions(&query(&agent, None)).await.unwrap()), [other, together, alone]);
    let of_ada = transaction.sessions(&query(&agent, Some(&ada))).await.unwrap();
    assert_eq!(ids(&of_ada), [together, alone]);
    assert_eq!((of_ada[0].turns, of_ada[0].first_words.as_str()), (2, "who is there?"));
    assert_eq!(transaction.sessions(&query(&agent, Some(&eve))).await.unwrap(), []);
    assert_eq!(ids(&transaction.sessions(&query(&another, Some(&ada))).await.unwrap()), [of_another_agent]);

    for (session, who, seen) in [
        (alone, None, true),
        (alone, Some(&ada), true),
        (together, Some(&ada), true),
        (together, Some(&eve), false),
        (other, Some(&ada), false),
        (foreign, None, false),
        (foreign, Some(&ada), false),
        (of_another_agent, None, false),
        (of_another_agent, Some(&ada), false),
        (SessionId::generate(), None, false),
    ] {
        assert_eq!(transaction.session_exists(session, who, &agent).await.unwrap(), seen, "{who:?}");
        let turns = transaction.session_turns(session, who, &agent).await.unwrap();
        assert_eq!(turns.is_some(), seen, "{who:?}");
    }
    let turns = transaction.session_turns(together, Some(&ada), &agent).await.unwrap().unwrap();
    let words: Vec<_> = turns.iter().map(|turn| turn.words.as_str()).collect();
    assert_eq!(words, ["who is there?", "I am"]);
}

#[tokio::test]
async fn a_turn_shows_what_was_generated_and_what_of_it_was_heard() {
    let database = database().await;
    let store = &database.store;
    let session = SessionId::generate();
    let spoken = [named("ada", "Ada", "and?", "voice"), chunk(0, "Schöne Grüße!"), heard(3), ended("interrupted")];
    let turn = Said::at(session, 0).steps(store, spoken).await;
    let typed = [named("ada", "Ada", "tell me", "text"), chunk(0, "Read 🍲.")];
    Said::at(session, 1).steps(store, typed).await;
    for (minute, bytes) in [(2, 4), (3, 5), (4, 13), (5, 1000)] {
        Said::at(session, minute).steps(store, [committed("ada", "x"), chunk(0, "Schöne Grüße!"), heard(bytes)]).await;
    }

    let turns = transaction(&database).await.session_turns(session, None, &agent()).await.unwrap().unwrap();
    let expected = TurnRow {
        turn,
        person_id: "ada".to_owned(),
        person_name: "Ada".to_owned(),
        modality: "voice".to_owned(),
        words: "and?".to_owned(),
        answer: "Schöne Grüße!".to_owned(),
        heard: "Sch".to_owned(),
        status: TurnStatus::Interrupted,
        started_at: begin(),
        ended_at: Some(begin() + Duration::from_secs(3)),
    };
    assert_eq!(turns[0], expected);
    assert_eq!((turns[1].heard.as_str(), turns[1].status, turns[1].ended_at), ("Read 🍲.", TurnStatus::Open, None));
    // Never half a character: "ö" takes the bytes 3 and 4.
    let heard: Vec<_> = turns[2..].iter().map(|turn| turn.heard.as_str()).collect();
    assert_eq!(heard, ["Sch", "Schö", "Schöne Grü", "Schöne Grüße!"]);
}

#[tokio::test]
async fn what_is_forgotten_is_gone_with_its_memories_and_only_that() {
    let database = database().await;
    let store = &database.store;
    let (agent, ada, ben) = (agent(), person("ada"), person("ben"));
    let session = SessionId::generate();
    let embedding = direction(0, 0.0);
    let mut turns = Vec::new();
    for (minute, who) in [(0, &ada), (1, &ada), (2, &ben)] {
        let turn = Said::at(session, minute).words(store, who.as_str(), "a secret").await;
        let text = "a secret";
        let memory = NewMemory { agent: &agent, person: who, turn, text, model: "test", embedding: &embedding };
        let mut transaction = transaction(&database).await;
        assert!(transaction.insert_memory(&memory).await.unwrap());
        transaction.commit().await.unwrap();
        turns.push(turn);
    }
    for (name, who) in [("globex", &agent), ("acme", &AgentId::new("another").unwrap())] {
        let mut transaction = store.tenant(&tenant(name)).await.unwrap();
        assert_eq!(transaction.forget_turns(who, &ada, &turns).await.unwrap(), 0, "{name} {who}");
        transaction.commit().await.unwrap();
    }

    let mut transaction = transaction(&database).await;
    assert_eq!(transaction.forget_turns(&agent, &ada, &[]).await.unwrap(), 0);
    // Ben's turn is not Ada's to forget.
    let named = [turns[0], turns[2], TurnId::generate()];
    assert_eq!(transaction.forget_turns(&agent, &ada, &named).await.unwrap(), 1);
    let left = transaction.session_turns(session, Some(&ada), &agent).await.unwrap().unwrap();
    assert_eq!(left.iter().map(|turn| turn.turn).collect::<Vec<_>>(), turns[1..]);
    for (who, found) in [(&ada, turns[1]), (&ben, turns[2])] {
        let search =
            MemorySearch { agent: &agent, person: who, model: "test", embedding: &embedding, except: &[], limit: 9 };
        let memories = transaction.search_memories(&search).await.unwrap();
        assert_eq!(memories.iter().map(|memory| memory.turn).collect::<Vec<_>>(), [found]);
    }
    assert_eq!(transaction.forget_turns(&agent, &ada, &turns).await.unwrap(), 1);
    assert_eq!(transaction.forget_turns(&agent, &ben, &turns).await.unwrap(), 1);
    assert_eq!(transaction.sessions(&query(&agent, None)).await.unwrap(), [], "a session with nothing in it");
    transaction.commit().await.unwrap();

    let mut owner = sqlx::PgConnection::connect(&database.server.url).await.unwrap();
    let steps: i64 = sqlx::query_scalar("SELECT count(*) FROM agents.turn_steps").fetch_one(&mut owner).await.unwrap();
    assert_eq!(steps, 0, "the words are not kept anywhere else");
}

#[tokio::test]
async fn a_page_of_sessions_reads_its_rows_by_index() {
    let database = database().await;
    let mut owner = sqlx::PgConnection::connect(&database.server.url).await.unwrap();
    // Enough that reading a whole table would be the wrong plan.
    for statement in [
        "SELECT set_config('app.tenant', 'acme', false)",
        "INSERT INTO agents.sessions (agent_id, session_id, started_at)
         SELECT 'aether', gen_random_uuid(), now() - n * interval '1 minute' FROM generate_series(1, 5000) n",
        "INSERT INTO agents.turns (agent_id, turn_id, session_id, person_id, words, started_at)
         SELECT 'aether', gen_random_uuid(), session_id, 'person ' || n, 'hello', started_at
         FROM agents.sessions, generate_series(1, 4) n",
        "INSERT INTO agents.turns (agent_id, turn_id, session_id, person_id, words, started_at)
         SELECT 'aether', gen_random_uuid(), session_id, 'seldom', 'hello', started_at
         FROM (SELECT * FROM agents.sessions ORDER BY started_at LIMIT 20) AS oldest",
        "ANALYZE agents.sessions, agents.turns",
    ] {
        sqlx::query(statement).execute(&mut owner).await.unwrap();
    }
    let (agent, often, seldom) = (agent(), person("person 3"), person("seldom"));
    let before = reads(&mut owner).await;
    // Often enough that Postgres may settle for a plan that doesn't look at the values.
    for _ in 0..8 {
        for who in [None, Some(&often), Some(&seldom)] {
            let mut transaction = transaction(&database).await;
            let page = transaction.sessions(&SessionQuery { limit: 20, ..query(&agent, who) }).await.unwrap();
            assert_eq!(page.len(), 20);
            assert!(page.iter().all(|summary| summary.turns >= 4));
        }
    }
    // What a backend read is counted at the latest when it is gone.
    database.store.close().await;
    testkit::eventually("the store's backends to be gone", 10, || async {
        let mut other = sqlx::PgConnection::connect(&database.server.url).await.unwrap();
        let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aether'";
        sqlx::query_scalar::<_, i64>(left).fetch_one(&mut other).await.unwrap() == 0
    })
    .await;
    let after = reads(&mut owner).await;
    assert_eq!(after.0 - before.0, 0, "rows read without an index");
    let by_index = after.1 - before.1;
    assert!((24 * 20..24 * 1000).contains(&by_index), "{by_index} rows read by index, of 25000 for 24 pages");
}

/// Rows of schema `agents` that were read without an index and with one, since the server started.
async fn reads(owner: &mut sqlx::PgConnection) -> (i64, i64) {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(&mut *owner).await.unwrap();
    let reads = "SELECT sum(seq_tup_read)::bigint, sum(idx_tup_fetch)::bigint FROM pg_stat_user_tables
                 WHERE schemaname = 'agents'";
    sqlx::query_as(reads).fetch_one(owner).await.unwrap()
}
