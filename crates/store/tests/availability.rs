//! What callers see while Postgres is away, empty or unreachable, and that it mends itself.

use std::time::Duration;

use aether_proto::ErrorCode;
use aether_store::{Error, Login, MigrateError, NewKeyRow, Options, Store};
use aether_testkit as testkit;

use crate::database::{self, database, tenant};

#[tokio::test]
async fn a_store_outlives_its_database() {
    let mut database = database().await;
    database.store.ready().await.unwrap();

    database.server.kill().await;
    let mut options = Options::new(&database.service_url);
    options.acquire_timeout = Duration::from_millis(300);
    let late = Store::connect(&options).unwrap();
    let error = late.ready().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(error.code(), ErrorCode::StoreUnavailable);

    database.server.restart().await;
    for store in [&database.store, &late] {
        testkit::eventually("the store to answer again", 10, || async { store.ready().await.is_ok() }).await;
        store.tenant(&tenant("acme")).await.unwrap().commit().await.unwrap();
    }
}

#[tokio::test]
async fn migrating_may_be_repeated_and_raced() {
    let database = database().await;
    let migrate = || Store::migrate(&database.server.url, |login| format!("new password of {}", login.service()));
    let (first, second) = tokio::join!(migrate(), migrate());
    first.unwrap();
    second.unwrap();
    for login in Login::ALL {
        let url = login.url(&database.server.url, &format!("new password of {}", login.service())).unwrap();
        Store::connect(&Options::new(url)).unwrap().ready().await.unwrap();
    }
    let mut old = Options::new(Login::Brain.url(&database.server.url, &database::password("brain")).unwrap());
    old.acquire_timeout = Duration::from_millis(300);
    let refused = Store::connect(&old).unwrap().ready().await.unwrap_err();
    assert!(matches!(refused, Error::LoginRefused(_)), "{refused:?}");
}

#[tokio::test]
async fn a_database_without_the_schema_says_so() {
    let server = testkit::postgres().await;
    let mut owner = sqlx::PgPool::connect(&server.url).await.unwrap().acquire().await.unwrap();
    sqlx::raw_sql("CREATE ROLE somebody LOGIN PASSWORD 'x'").execute(&mut *owner).await.unwrap();
    let host = server.url.rsplit_once('@').unwrap().1;
    let store = Store::connect(&Options::new(format!("postgres://somebody:x@{host}"))).unwrap();
    let error = store.ready().await.unwrap_err();
    assert!(matches!(error, Error::NotMigrated(_)), "{error:?}");
}

#[tokio::test]
async fn a_database_of_an_older_version_says_so() {
    let database = database().await;
    let mut owner = sqlx::PgPool::connect(&database.server.url).await.unwrap().acquire().await.unwrap();
    sqlx::raw_sql("DROP SCHEMA identity CASCADE").execute(&mut *owner).await.unwrap();
    let error = database.store.ready().await.unwrap_err();
    assert!(matches!(error, Error::NotMigrated(_)), "{error:?}");
    let error = database.store.find_key("prefix").await.unwrap_err();
    assert!(matches!(error, Error::NotMigrated(_)), "{error:?}");
}

#[tokio::test]
async fn the_owner_need_not_be_a_superuser() {
    let server = testkit::postgres().await;
    let mut superuser = sqlx::PgPool::connect(&server.url).await.unwrap().acquire().await.unwrap();
    for statement in ["CREATE ROLE modest LOGIN CREATEROLE PASSWORD 'x'", "CREATE DATABASE modest OWNER modest"] {
        sqlx::raw_sql(statement).execute(&mut *superuser).await.unwrap();
    }
    let host = server.url.rsplit_once('@').unwrap().1.rsplit_once('/').unwrap().0;
    // Only a superuser may install pgvector.
    let in_it = format!("{}/modest", server.url.rsplit_once('/').unwrap().0);
    let mut superuser = sqlx::PgPool::connect(&in_it).await.unwrap().acquire().await.unwrap();
    sqlx::raw_sql("CREATE EXTENSION vector").execute(&mut *superuser).await.unwrap();

    let url = format!("postgres://modest:x@{host}/modest");
    Store::migrate(&url, |_| "y".to_owned()).await.unwrap();
    let store = Store::connect(&Options::new(Login::Gateway.url(&url, "y").unwrap())).unwrap();
    store.ready().await.unwrap();
    let (agent, tenant) = (database::agent(), tenant("acme"));
    let key = NewKeyRow {
        agent: &agent,
        person: None,
        name: "first",
        prefix: "abc",
        hash: &[1; 32],
        scopes: "chat",
        expires_at: None,
    };
    let mut transaction = store.tenant(&tenant).await.unwrap();
    transaction.insert_key(&key).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.find_key("abc").await.unwrap().unwrap().tenant, tenant);
    let members = "SELECT EXISTS (SELECT FROM pg_auth_members WHERE roleid = 'aether_key_reader'::regrole \
                   AND (set_option OR inherit_option))";
    let left: bool = sqlx::query_scalar(members).fetch_one(&mut *superuser).await.unwrap();
    assert!(!left, "the owner doesn't stay a member of the role that reads keys");
}

#[tokio::test]
async fn what_is_no_postgres_url_is_refused_without_showing_it() {
    let error = Store::connect(&Options::new("not a url: secret")).unwrap_err();
    assert_eq!(error.to_string(), "not a postgres URL; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE");
    assert!(!format!("{:?}", Options::new("postgres://a:secret@b/c")).contains("secret"));
    let error = Store::migrate("postgres://owner:secret@127.0.0.1:1/aether", |_| "x".to_owned()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Connect(_)));
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}
