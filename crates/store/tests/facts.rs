//! Facts are kept once for each person of each agent, and go when they are told to.

use aether_proto::{AgentId, TurnId};

use crate::database::{agent, database, person, tenant};

#[tokio::test]
async fn a_fact_is_kept_once_and_for_its_person() {
    let database = database().await;
    let (agent, another) = (agent(), AgentId::new("another").unwrap());
    let (ada, ben) = (person("ada"), person("ben"));
    for text in ["has a dog\0", "likes tea", "lives in Ulm"] {
        // Each in a transaction of its own: the order is that of their beginnings.
        let mut transaction = database.store.tenant(&tenant("acme")).await.unwrap();
        assert!(transaction.insert_fact(&agent, &ada, text, Some(TurnId::generate())).await.unwrap());
        transaction.commit().await.unwrap();
    }
    let mut transaction = database.store.tenant(&tenant("acme")).await.unwrap();
    assert!(
        !transaction.insert_fact(&agent, &ada, "likes tea", None).await.unwrap(),
        "the same again: it is the newest now"
    );
    assert!(transaction.insert_fact(&agent, &ben, "likes tea", None).await.unwrap());
    assert!(transaction.insert_fact(&another, &ada, "likes tea", None).await.unwrap());
    // Longer than an entry of an index may be.
    let long = "tea ".repeat(10_000);
    assert!(transaction.insert_fact(&another, &ada, &long, None).await.unwrap());
    assert!(!transaction.insert_fact(&another, &ada, &long, None).await.unwrap());
    transaction.commit().await.unwrap();

    let mut transaction = database.store.tenant(&tenant("acme")).await.unwrap();
    let facts = transaction.facts(&agent, &ada, 10).await.unwrap();
    let texts: Vec<_> = facts.iter().map(|fact| fact.text.as_str()).collect();
    assert_eq!(texts, ["likes tea", "lives in Ulm", "has a dog "]);
    assert_eq!(transaction.facts(&agent, &ada, 2).await.unwrap(), facts[..2]);
    let mut globex = database.store.tenant(&tenant("globex")).await.unwrap();
    assert_eq!(globex.facts(&agent, &ada, 10).await.unwrap(), []);

    // Only one's own facts go, from whichever side they are named.
    let mut all: Vec<_> = facts.iter().map(|fact| fact.fact_id).collect();
    all.extend(transaction.facts(&agent, &ben, 10).await.unwrap().iter().map(|fact| fact.fact_id));
    assert_eq!(globex.delete_facts(&agent, &ada, &all).await.unwrap(), 0);
    assert_eq!(transaction.delete_facts(&another, &ada, &all).await.unwrap(), 0);
    assert_eq!(transaction.delete_facts(&agent, &ada, &[]).await.unwrap(), 0);
    assert_eq!(transaction.delete_facts(&agent, &ada, &all).await.unwrap(), 3);
    assert_eq!(transaction.facts(&agent, &ada, 10).await.unwrap(), []);
    assert_eq!(transaction.facts(&agent, &ben, 10).await.unwrap().len(), 1);
    assert!(transaction.insert_fact(&agent, &ada, "likes tea", None).await.unwrap(), "what is gone may come again");
}
