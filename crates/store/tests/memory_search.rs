//! Memories are found by direction, for one person of one agent of one tenant.

use aether_proto::{AgentId, SessionId, TurnId};
use aether_store::{MemorySearch, NewMemory, Store};

use crate::database::{agent, chunk, committed, database, direction, entry, heard, person, tenant};

async fn remember(store: &Store, tenant_name: &str, agent: &AgentId, who: &str, axis: usize, lean: f32) -> TurnId {
    let turn = TurnId::generate();
    let session = SessionId::generate();
    let text = format!("{who} on {axis}");
    let mut transaction = store.tenant(&tenant(tenant_name)).await.unwrap();
    for (sequence, step) in (0..).zip([committed(who, &text), chunk(0, "Noted, thanks."), heard(6)]) {
        transaction.apply_turn_log_entry(agent, &entry(session, turn, sequence, step)).await.unwrap();
    }
    let embedding = direction(axis, lean);
    let memory = NewMemory { agent, person: &person(who), turn, text: &text, model: "test", embedding: &embedding };
    assert!(transaction.insert_memory(&memory).await.unwrap());
    assert!(!transaction.insert_memory(&memory).await.unwrap(), "one memory per turn");
    transaction.commit().await.unwrap();
    turn
}

#[tokio::test]
async fn the_nearest_come_first_and_only_of_this_person() {
    let database = database().await;
    let store = &database.store;
    let near = remember(store, "acme", &agent(), "ada", 0, 0.1).await;
    let far = remember(store, "acme", &agent(), "ada", 0, 2.0).await;
    let exact = remember(store, "acme", &agent(), "ada", 0, 0.0).await;
    remember(store, "acme", &agent(), "bob", 0, 0.0).await;
    remember(store, "acme", &AgentId::new("another").unwrap(), "ada", 0, 0.0).await;
    remember(store, "globex", &agent(), "ada", 0, 0.0).await;

    let (agent, person, embedding) = (agent(), person("ada"), direction(0, 0.0));
    let mut search =
        MemorySearch { agent: &agent, person: &person, model: "test", embedding: &embedding, except: &[], limit: 5 };
    let mut transaction = store.tenant(&tenant("acme")).await.unwrap();
    let found = transaction.search_memories(&search).await.unwrap();
    assert_eq!(found.iter().map(|memory| memory.turn).collect::<Vec<_>>(), [exact, near, far]);
    assert!((found[0].similarity - 1.0).abs() < 1e-5);
    assert_eq!((found[0].text.as_str(), found[0].answer.as_str()), ("ada on 0", "Noted,"));

    let shown = [exact, far];
    search.except = &shown;
    let found = transaction.search_memories(&search).await.unwrap();
    assert_eq!(found.iter().map(|memory| memory.turn).collect::<Vec<_>>(), [near]);

    search.model = "another";
    assert_eq!(transaction.search_memories(&search).await.unwrap(), []);
}

#[tokio::test]
async fn a_memory_needs_its_turn() {
    let database = database().await;
    let mut transaction = database.store.tenant(&tenant("acme")).await.unwrap();
    let memory = NewMemory {
        agent: &agent(),
        person: &person("ada"),
        turn: TurnId::generate(),
        text: "x",
        model: "test",
        embedding: &direction(0, 0.0),
    };
    assert!(!transaction.insert_memory(&memory).await.unwrap());
}
