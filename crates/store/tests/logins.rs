//! Each service can do in Postgres what its own statements do, and is refused everything else.

use std::collections::BTreeMap;

use aether_store::Login;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::database::{Database, database, password};

/// Who may do what: S(elect), I(nsert), U(pdate), D(elete), in the order of `Login::ALL`: gateway, brain, scheduler, notifier.
/// A new table goes in here.
const ALLOWED: [(&str, [&str; 4]); 19] = [
    ("agents.facts", ["", "SID", "", ""]),
    ("agents.learned_turns", ["", "SI", "S", ""]),
    ("agents.memories", ["", "SI", "", ""]),
    ("agents.preferences", ["", "", "", ""]),
    ("agents.sessions", ["S", "SIU", "", ""]),
    ("agents.turn_steps", ["", "SI", "", ""]),
    ("agents.turns", ["S", "SIUD", "S", ""]),
    ("identity.api_keys", ["SIU", "", "", ""]),
    ("identity.people", ["SIU", "", "", ""]),
    ("identity.tenants", ["SI", "", "", ""]),
    ("jobs.jobs", ["S", "S", "SIUD", ""]),
    ("jobs.schedules", ["S", "S", "SIU", ""]),
    ("jobs.steps", ["S", "", "I", ""]),
    ("notify.deliveries", ["", "", "", "SIU"]),
    ("notify.notifications", ["S", "", "", "SIU"]),
    ("notify.rules", ["S", "", "", "SIU"]),
    ("notify.settings", ["S", "", "", "SIU"]),
    ("notify.sources", ["S", "", "", "SIUD"]),
    ("notify.targets", ["S", "", "", "SIUD"]),
];

/// A connection of this service that speaks for a tenant.
async fn connect(database: &Database, login: Login) -> PgConnection {
    let url = login.url(&database.server.url, &password(login.service())).unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::query("SELECT set_config('app.tenant', 'acme', false)").execute(&mut connection).await.unwrap();
    connection
}

/// Whether Postgres lets a statement pass that far: what else is wrong with it does not matter, and it changes nothing.
async fn is_allowed(connection: &mut PgConnection, statement: &str) -> bool {
    let mut transaction = connection.begin().await.unwrap();
    let outcome = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut *transaction).await;
    transaction.rollback().await.unwrap();
    let refusal = outcome.err().and_then(|error| Some(error.as_database_error()?.code()?.into_owned()));
    refusal.as_deref() != Some("42501")
}

#[tokio::test]
async fn each_service_can_do_what_it_needs_with_each_table_and_nothing_else() {
    let database = database().await;
    let mut owner = PgConnection::connect(&database.server.url).await.unwrap();
    let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
                  WHERE schemaname IN ('agents', 'identity', 'jobs', 'notify') ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut owner).await.unwrap();
    let mut found: BTreeMap<String, [String; 4]> = BTreeMap::new();
    for (place, login) in Login::ALL.into_iter().enumerate() {
        let mut connection = connect(&database, login).await;
        for table in &tables {
            let rights = &mut found.entry(table.clone()).or_default()[place];
            for (letter, statement) in [
                ('S', format!("SELECT * FROM {table}")),
                ('I', format!("INSERT INTO {table} DEFAULT VALUES")),
                ('U', format!("UPDATE {table} SET tenant_id = DEFAULT")),
                ('D', format!("DELETE FROM {table}")),
            ] {
                if is_allowed(&mut connection, &statement).await {
                    rights.push(letter);
                }
            }
        }
    }
    let allowed = ALLOWED.map(|(table, rights)| (table.to_owned(), rights.map(str::to_owned)));
    assert_eq!(found, BTreeMap::from(allowed));
}

#[tokio::test]
async fn a_service_can_become_no_other_and_make_nothing() {
    let database = database().await;
    for login in Login::ALL {
        let mut connection = connect(&database, login).await;
        let others = Login::ALL.into_iter().filter(|other| *other != login).map(Login::role);
        let roles = ["aether", "aether_service", "aether_key_reader", "aether_source_reader", "aether_job_clerk"];
        for role in roles.map(str::to_owned).into_iter().chain(others) {
            assert!(!is_allowed(&mut connection, &format!("SET ROLE {role}")).await, "{login:?} becomes {role}");
            let gift = format!("GRANT {role} TO {}", login.role());
            assert!(!is_allowed(&mut connection, &gift).await, "{login:?} gives itself {role}");
        }
        for statement in [
            "CREATE SCHEMA loophole",
            "CREATE TABLE public.loophole (id int)",
            "CREATE TABLE agents.loophole (id int)",
            "CREATE TABLE jobs.loophole (id int)",
            "CREATE TABLE notify.loophole (id int)",
            "CREATE ROLE loophole",
            "CALL agents.isolate('agents.memories')",
            "SELECT * FROM public._sqlx_migrations",
            "SELECT pg_read_file('/etc/passwd')",
            "COPY (SELECT 1) TO PROGRAM 'true'",
        ] {
            assert!(!is_allowed(&mut connection, statement).await, "{login:?}: {statement}");
        }
    }
}

#[tokio::test]
async fn what_reads_across_tenants_is_for_one_service_each() {
    let database = database().await;
    for (statement, whose) in [
        ("SELECT * FROM identity.find_key('x')", Login::Gateway),
        ("SELECT * FROM notify.find_source('x')", Login::Gateway),
        ("SELECT * FROM jobs.waiting('interactive', 1)", Login::Scheduler),
        ("SELECT * FROM jobs.claim('{}', '{}', 'x', '1 s')", Login::Scheduler),
        ("SELECT jobs.renew('x', '1 s')", Login::Scheduler),
        ("SELECT * FROM jobs.overdue(1)", Login::Scheduler),
        ("SELECT * FROM jobs.due_schedules(1)", Login::Scheduler),
        ("SELECT * FROM jobs.queues()", Login::Scheduler),
    ] {
        for login in Login::ALL {
            let mut connection = connect(&database, login).await;
            assert_eq!(is_allowed(&mut connection, statement).await, login == whose, "{login:?}: {statement}");
        }
    }
}

#[tokio::test]
async fn the_login_that_all_services_shared_can_do_nothing_any_more() {
    let database = database().await;
    let mut owner = PgConnection::connect(&database.server.url).await.unwrap();
    let can_log_in = "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'aether_service'";
    assert!(!sqlx::query_scalar::<_, bool>(can_log_in).fetch_one(&mut owner).await.unwrap());
    sqlx::query("SET ROLE aether_service").execute(&mut owner).await.unwrap();
    for (table, _) in ALLOWED {
        assert!(!is_allowed(&mut owner, &format!("SELECT * FROM {table}")).await, "{table}");
    }
    assert!(!is_allowed(&mut owner, "SELECT * FROM jobs.queues()").await);
}
