//! Keys are made, shown without their hash, found in every tenant by their prefix, and revoked by their tenant alone.

use std::time::Duration;

use aether_proto::{AgentId, PersonId, TenantId};
use aether_store::{Error, KeyRow, NewKeyRow, PersonRow, Store, StoredKey, TenantTransaction};
use time::OffsetDateTime;

use crate::database::{agent, database, person, tenant};

const HASH: [u8; 32] = [42; 32];

fn key<'a>(agent: &'a AgentId, person: Option<&'a PersonId>, prefix: &'a str) -> NewKeyRow<'a> {
    NewKeyRow { agent, person, name: "laptop", prefix, hash: &HASH, scopes: "chat talk", expires_at: None }
}

async fn insert(store: &Store, tenant: &TenantId, row: &NewKeyRow<'_>) -> Result<(), Error> {
    let mut transaction = store.tenant(tenant).await.unwrap();
    transaction.insert_key(row).await?;
    transaction.commit().await
}

async fn keys(store: &Store, tenant: &TenantId) -> Vec<KeyRow> {
    store.tenant(tenant).await.unwrap().keys().await.unwrap()
}

/// One change in a transaction of its own.
async fn change<T>(
    store: &Store,
    tenant: &TenantId,
    what: impl AsyncFnOnce(&mut TenantTransaction) -> Result<T, Error>,
) -> T {
    let mut transaction = store.tenant(tenant).await.unwrap();
    let done = what(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    done
}

#[tokio::test]
async fn a_key_is_found_by_its_prefix_alone_with_the_tenant_it_belongs_to() {
    let database = database().await;
    let store = &database.store;
    // To the microsecond, as Postgres keeps it.
    let expires_at = OffsetDateTime::from_unix_timestamp(1_900_000_000).unwrap() + Duration::from_micros(123_456);
    let (agent, ada) = (agent(), person("ada"));
    let of_ada = NewKeyRow { expires_at: Some(expires_at), ..key(&agent, Some(&ada), "aaaaaaaaaaaa") };
    insert(store, &tenant("acme"), &of_ada).await.unwrap();
    insert(store, &tenant("globex"), &key(&agent, None, "bbbbbbbbbbbb")).await.unwrap();

    let found = store.find_key("aaaaaaaaaaaa").await.unwrap().unwrap();
    let expected = StoredKey {
        tenant: tenant("acme"),
        agent: agent.clone(),
        person: Some(ada.clone()),
        hash: HASH.to_vec(),
        scopes: "chat talk".to_owned(),
        expires_at: Some(expires_at),
        revoked_at: None,
    };
    assert_eq!(found, expected);
    assert!(!format!("{found:?}{of_ada:?}").contains("42"), "{found:?}");
    let found = store.find_key("bbbbbbbbbbbb").await.unwrap().unwrap();
    assert_eq!((found.tenant, found.person, found.expires_at), (tenant("globex"), None, None));
    for unknown in ["", "cccccccccccc", "aaaaaaaaaaa_", "%", "AAAAAAAAAAAA", "aaaaaaaaaaaa ", "\0"] {
        assert_eq!(store.find_key(unknown).await.unwrap(), None, "{unknown:?}");
    }
}

#[tokio::test]
async fn a_key_is_valid_until_it_expires_or_is_revoked() {
    let database = database().await;
    let agent = agent();
    let now = OffsetDateTime::from_unix_timestamp(1_900_000_000).unwrap();
    let row = NewKeyRow { expires_at: Some(now), ..key(&agent, None, "aaaaaaaaaaaa") };
    insert(&database.store, &tenant("acme"), &row).await.unwrap();
    let found = database.store.find_key("aaaaaaaaaaaa").await.unwrap().unwrap();
    assert!(found.is_valid(now - Duration::from_micros(1)));
    assert!(!found.is_valid(now));
    let lasting = StoredKey { expires_at: None, ..found };
    assert!(lasting.is_valid(now));
    assert!(!StoredKey { revoked_at: Some(now), ..lasting }.is_valid(now));
}

#[tokio::test]
async fn keys_are_listed_newest_first_for_their_tenant_only() {
    let database = database().await;
    let store = &database.store;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let (agent, ada) = (agent(), person("ada"));
    insert(store, &acme, &key(&agent, None, "aaaaaaaaaaaa")).await.unwrap();
    insert(store, &acme, &NewKeyRow { name: "phone\0", ..key(&agent, Some(&ada), "bbbbbbbbbbbb") }).await.unwrap();
    insert(store, &globex, &key(&agent, None, "cccccccccccc")).await.unwrap();

    let listed = keys(store, &acme).await;
    assert_eq!(listed.iter().map(|key| key.prefix.as_str()).collect::<Vec<_>>(), ["bbbbbbbbbbbb", "aaaaaaaaaaaa"]);
    let newest = &listed[0];
    assert_eq!(
        (newest.name.as_str(), newest.agent.as_str(), newest.person.as_deref()),
        ("phone ", "aether", Some("ada"))
    );
    assert_eq!((newest.scopes.as_str(), newest.last_used_at, newest.revoked_at), ("chat talk", None, None));
    assert_eq!(keys(store, &globex).await.len(), 1);
    assert_eq!(keys(store, &tenant("initech")).await, []);
}

#[tokio::test]
async fn a_prefix_is_taken_once_whoever_has_it() {
    let database = database().await;
    let (store, agent) = (&database.store, agent());
    insert(store, &tenant("acme"), &key(&agent, None, "aaaaaaaaaaaa")).await.unwrap();
    for name in ["acme", "globex"] {
        let taken = insert(store, &tenant(name), &key(&agent, None, "aaaaaaaaaaaa")).await.unwrap_err();
        assert!(matches!(taken, Error::Rejected(_)), "{taken:?}");
    }
    let short = NewKeyRow { hash: &HASH[..31], ..key(&agent, None, "bbbbbbbbbbbb") };
    assert!(insert(store, &tenant("acme"), &short).await.is_err(), "what is no hash is not kept");
    assert_eq!(store.find_key("aaaaaaaaaaaa").await.unwrap().unwrap().tenant, tenant("acme"));
}

#[tokio::test]
async fn a_key_is_revoked_once_and_by_its_tenant() {
    let database = database().await;
    let store = &database.store;
    let (acme, globex, prefix) = (tenant("acme"), tenant("globex"), "aaaaaaaaaaaa");
    insert(store, &acme, &key(&agent(), None, prefix)).await.unwrap();

    assert!(!change(store, &globex, async |globex| globex.revoke_key(prefix).await).await, "another tenant's");
    assert!(!change(store, &acme, async |acme| acme.revoke_key("a\0b").await).await, "no such key");
    assert_eq!(store.find_key(prefix).await.unwrap().unwrap().revoked_at, None);

    assert!(change(store, &acme, async |acme| acme.revoke_key(prefix).await).await);
    let revoked_at = store.find_key(prefix).await.unwrap().unwrap().revoked_at;
    assert!(revoked_at.is_some());
    assert!(!change(store, &acme, async |acme| acme.revoke_key(prefix).await).await, "before");
    assert_eq!(keys(store, &acme).await[0].revoked_at, revoked_at);
}

#[tokio::test]
async fn a_use_is_noted_once_a_minute_and_by_the_tenant() {
    let database = database().await;
    let store = &database.store;
    let (acme, prefix) = (tenant("acme"), "aaaaaaaaaaaa");
    insert(store, &acme, &key(&agent(), None, prefix)).await.unwrap();
    change(store, &tenant("globex"), async |globex| globex.touch_key(prefix).await).await;
    assert_eq!(keys(store, &acme).await[0].last_used_at, None);

    change(store, &acme, async |acme| acme.touch_key(prefix).await).await;
    let first = keys(store, &acme).await[0].last_used_at.unwrap();
    change(store, &acme, async |acme| acme.touch_key(prefix).await).await;
    assert_eq!(keys(store, &acme).await[0].last_used_at, Some(first));

    let mut owner = sqlx::PgPool::connect(&database.server.url).await.unwrap().acquire().await.unwrap();
    let earlier = "UPDATE identity.api_keys SET last_used_at = last_used_at - interval '2 minutes'";
    sqlx::query(earlier).execute(&mut *owner).await.unwrap();
    change(store, &acme, async |acme| acme.touch_key(prefix).await).await;
    assert!(keys(store, &acme).await[0].last_used_at.unwrap() > first);
}

#[tokio::test]
async fn people_are_named_and_renamed_and_a_key_makes_its_person_known() {
    let database = database().await;
    let store = &database.store;
    let acme = tenant("acme");
    change(store, &acme, async |acme| acme.upsert_person(&person("ada"), "Ada\0").await).await;
    insert(store, &acme, &key(&agent(), Some(&person("ben")), "aaaaaaaaaaaa")).await.unwrap();
    insert(store, &acme, &key(&agent(), Some(&person("ada")), "bbbbbbbbbbbb")).await.unwrap();
    change(store, &tenant("globex"), async |globex| globex.upsert_person(&person("ada"), "Another Ada").await).await;

    let mut transaction = store.tenant(&acme).await.unwrap();
    let people = transaction.people().await.unwrap();
    let names: Vec<_> = people.iter().map(|person| (person.person_id.as_str(), person.name.as_str())).collect();
    assert_eq!(names, [("ada", "Ada "), ("ben", "")]);
    let created_at = people[0].created_at;
    drop(transaction);

    change(store, &acme, async |acme| acme.upsert_person(&person("ada"), "Ada Lovelace").await).await;
    let mut transaction = store.tenant(&acme).await.unwrap();
    let ada = PersonRow { person_id: "ada".to_owned(), name: "Ada Lovelace".to_owned(), created_at };
    assert_eq!(transaction.person(&person("ada")).await.unwrap(), Some(ada));
    assert_eq!(transaction.person(&person("eve")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_be_the_first_of_a_tenant_at_once() {
    let database = database().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..12 {
        let store = database.store.clone();
        tasks.spawn(async move {
            let prefix = format!("prefix{number}");
            insert(&store, &tenant("acme"), &key(&agent(), Some(&person("ada")), &prefix)).await
        });
    }
    for inserted in tasks.join_all().await {
        inserted.unwrap();
    }
    assert_eq!(keys(&database.store, &tenant("acme")).await.len(), 12);
}
