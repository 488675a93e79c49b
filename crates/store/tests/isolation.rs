//! One tenant never sees, changes or makes rows of another, in any table, whatever a login may do there.

use aether_proto::{JobId, SessionId, TenantId, TurnId};
use aether_store::{Error, NewJob, NewKeyRow, NewMemory, NewSchedule, Options, Store};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::database::{Database, agent, chunk, committed, database, direction, entry, person, tenant};

/// Tables that a service could reach, and all of our schemas whether it can or not.
const REACHABLE: &str = "
    SELECT format('%I.%I', schema.nspname, class.relname) AS name,
           class.relkind IN ('r', 'p') AND class.relrowsecurity AND class.relforcerowsecurity AS isolated,
           (SELECT array_agg(attname::text ORDER BY attname DESC) FROM pg_attribute
            WHERE attrelid = class.oid AND attname IN ('tenant_id', 'agent_id') AND attnotnull) AS keys,
           schema.nspname AS schema,
           class.relowner::regrole::text LIKE 'aether\\_%' AS owned
    FROM pg_class class JOIN pg_namespace schema ON schema.oid = class.relnamespace
    WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND schema.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      AND (schema.nspname IN ('agents', 'identity', 'jobs', 'notify')
           OR (has_schema_privilege('everything', schema.oid, 'USAGE')
               AND has_table_privilege('everything', class.oid, 'SELECT, INSERT, UPDATE, DELETE')))
    ORDER BY name";

/// One row in every table. A new table goes in here, else the test below finds it empty.
async fn fill(database: &Database, tenant: &TenantId) {
    let (session, turn) = (SessionId::generate(), TurnId::generate());
    let mut transaction = database.store.tenant(tenant).await.unwrap();
    for (sequence, step) in [committed("ada", "my name is Ada"), chunk(0, "Hello.")].into_iter().enumerate() {
        let entry = entry(session, turn, u32::try_from(sequence).unwrap(), step);
        transaction.apply_turn_log_entry(&agent(), &entry).await.unwrap();
    }
    let memory = NewMemory {
        agent: &agent(),
        person: &person("ada"),
        turn,
        text: "my name is Ada",
        model: "test",
        embedding: &direction(0, 0.0),
    };
    assert!(transaction.insert_memory(&memory).await.unwrap());
    let name = format!("{tenant}-key");
    let key = NewKeyRow {
        agent: &agent(),
        person: Some(&person("ada")),
        name: &name,
        prefix: &name,
        hash: &[7; 32],
        scopes: "chat",
        expires_at: None,
    };
    transaction.insert_key(&key).await.unwrap();
    transaction.insert_jobs(&[new_job()]).await.unwrap();
    transaction.insert_schedule(&new_schedule()).await.unwrap();
    transaction.commit().await.unwrap();

    let mut service = as_tenant(database, Some(tenant.as_str())).await;
    for statement in [
        "INSERT INTO agents.facts (agent_id, person_id, text) VALUES ('aether', 'ada', 'is called Ada')",
        "INSERT INTO agents.learned_turns (agent_id, turn_id) VALUES ('aether', gen_random_uuid())",
        "INSERT INTO agents.preferences (agent_id, person_id, name, value) VALUES ('aether', 'ada', 'voice', '\"low\"')",
        "INSERT INTO notify.notifications (agent_id, notification_id, source, event_id, kind, person_id, title, text, url, \
                                           urgency, state, reason) \
         VALUES ('aether', '00000000-0000-7000-8000-000000000001', 'builds', '1', 'build', 'ada', 'It failed', '', '', 2, \
                 'delivered', '')",
        "INSERT INTO notify.deliveries (agent_id, notification_id, round, target, delivered) \
         VALUES ('aether', '00000000-0000-7000-8000-000000000001', 0, 'page', true)",
        "INSERT INTO notify.targets (agent_id, target_id, person_id, channel, address, least_urgency) \
         VALUES ('aether', gen_random_uuid(), 'ada', 'email', 'ada@example.org', 2)",
        "INSERT INTO notify.rules (agent_id, rule_id, person_id, source, kind, decision, reason) \
         VALUES ('aether', gen_random_uuid(), 'ada', 'builds', 'build', 'never', 'muted')",
        "INSERT INTO notify.settings (agent_id, person_id, time_zone, digest_at, most_per_hour) \
         VALUES ('aether', 'ada', 'UTC', '{09:00}', 6)",
        "INSERT INTO notify.sources (agent_id, source_id, name, person_id) \
         VALUES ('aether', gen_random_uuid()::text, 'builds', 'ada')",
    ] {
        sqlx::query(statement).execute(&mut service).await.unwrap();
    }
}

fn new_job() -> NewJob {
    NewJob {
        job: JobId::generate(),
        agent: agent(),
        kind: "reminder".to_owned(),
        modality: "voice",
        person: Some(person("ada")),
        session: None,
        payload: serde_json::Value::Null,
        priority: 0,
        pool: "interactive",
        idempotency_key: "once".to_owned(),
        schedule: None,
        due_at: None,
        patience: std::time::Duration::from_secs(1),
        expires_at: None,
        states: vec!["PENDING", "SCHEDULED"],
        traceparent: None,
    }
}

fn new_schedule() -> NewSchedule {
    NewSchedule {
        schedule: JobId::generate(),
        agent: agent(),
        kind: "reminder".to_owned(),
        modality: "voice",
        person: Some(person("ada")),
        session: None,
        payload: serde_json::Value::Null,
        priority: 0,
        idempotency_key: "daily".to_owned(),
        cron: "0 9 * * *".to_owned(),
        time_zone: "UTC".to_owned(),
        missed: "run_once",
        next_at: time::OffsetDateTime::UNIX_EPOCH,
    }
}

/// A plain connection, as a stray statement would have it.
async fn as_tenant(database: &Database, tenant: Option<&str>) -> PgConnection {
    let mut connection = PgConnection::connect(&database.service_url).await.unwrap();
    if let Some(tenant) = tenant {
        sqlx::query("SELECT set_config('app.tenant', $1, false)").bind(tenant).execute(&mut connection).await.unwrap();
    }
    connection
}

async fn tables(database: &Database) -> Vec<String> {
    let mut owner = PgConnection::connect(&database.server.url).await.unwrap();
    let rows = sqlx::query(REACHABLE).fetch_all(&mut owner).await.unwrap();
    rows.iter().map(|row| row.get("name")).collect()
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(connection).await.unwrap()
}

async fn affected(connection: &mut PgConnection, statement: String) -> Result<u64, sqlx::Error> {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await.map(|result| result.rows_affected())
}

#[tokio::test]
async fn every_table_has_forced_row_level_security_and_its_keys() {
    let database = database().await;
    let mut owner = PgConnection::connect(&database.server.url).await.unwrap();
    let tables = sqlx::query(REACHABLE).fetch_all(&mut owner).await.unwrap();
    assert!(tables.len() >= 18, "the query must see the tables it is about");
    for table in tables {
        let name: String = table.get("name");
        assert!(table.get::<bool, _>("isolated"), "{name}: CALL agents.isolate('{name}') in its migration");
        // What is said belongs to one agent of a tenant; the tenant and its people to all of them.
        let of_all_agents = ["identity.tenants", "identity.people"].contains(&name.as_str());
        let needed: &[&str] = if of_all_agents { &["tenant_id"] } else { &["tenant_id", "agent_id"] };
        assert_eq!(table.get::<Vec<String>, _>("keys"), needed, "{name} needs these columns, NOT NULL");
        assert!(!table.get::<bool, _>("owned"), "{name}: an owner could switch its policies off");
    }
    let powers = "SELECT array_agg(rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication) \
                  FROM pg_roles WHERE rolname LIKE 'aether\\_%'";
    let powerful: Vec<bool> = sqlx::query_scalar(powers).fetch_one(&mut owner).await.unwrap();
    assert_eq!(powerful, [false; 8]);
}

#[tokio::test]
async fn every_policy_is_that_of_the_tenant_but_for_keys_sources_and_jobs() {
    let database = database().await;
    let mut owner = PgConnection::connect(&database.server.url).await.unwrap();
    let policies = "SELECT format('%s on %I.%I to %s: %s', policyname, schemaname, tablename, roles, cmd) \
                    FROM pg_policies WHERE qual <> '(tenant_id = current_setting(''app.tenant''::text, true))' \
                    OR with_check IS DISTINCT FROM qual ORDER BY 1";
    let others: Vec<String> = sqlx::query_scalar(policies).fetch_all(&mut owner).await.unwrap();
    let expected = [
        "clerk on jobs.jobs to {aether_job_clerk}: ALL",
        "clerk on jobs.schedules to {aether_job_clerk}: SELECT",
        "clerk on jobs.steps to {aether_job_clerk}: INSERT",
        "key_look_up on identity.api_keys to {aether_key_reader}: SELECT",
        "source_look_up on notify.sources to {aether_source_reader}: SELECT",
    ];
    assert_eq!(others, expected);
}

#[tokio::test]
async fn whoever_looks_up_keys_can_do_nothing_else() {
    let database = database().await;
    fill(&database, &tenant("acme")).await;
    let mut owner = PgConnection::connect(&database.server.url).await.unwrap();

    // Functions that run as somebody else: these, with a pinned path, each for one service.
    let definers = "SELECT format('%s of %s, %s, %s', proc.proname, proowner::regrole, proconfig, \
                    (SELECT array_agg(grantee::regrole ORDER BY grantee::regrole::text) FROM aclexplode(proacl))) \
                    FROM pg_proc proc JOIN pg_namespace schema ON schema.oid = pronamespace \
                    WHERE prosecdef AND schema.nspname NOT IN ('pg_catalog', 'information_schema') \
                    ORDER BY proowner::regrole::text, proc.proname";
    let definers: Vec<String> = sqlx::query_scalar(definers).fetch_all(&mut owner).await.unwrap();
    let path = "{\"search_path=pg_catalog, pg_temp\"}";
    let of_clerk = ["claim", "due_schedules", "overdue", "queues", "renew", "waiting"]
        .map(|name| format!("{name} of aether_job_clerk, {path}, {{aether_job_clerk,aether_scheduler}}"));
    let of_reader = format!("find_key of aether_key_reader, {path}, {{aether_gateway,aether_key_reader}}");
    let of_source_reader =
        format!("find_source of aether_source_reader, {path}, {{aether_gateway,aether_source_reader}}");
    assert_eq!(definers, of_clerk.into_iter().chain([of_reader, of_source_reader]).collect::<Vec<_>>());

    let reader = "SELECT bool_or(rolcanlogin OR EXISTS (SELECT FROM pg_auth_members WHERE roleid = pg_roles.oid OR member = pg_roles.oid)) \
                  FROM pg_roles WHERE rolname IN ('aether_key_reader', 'aether_source_reader', 'aether_job_clerk')";
    let reachable: bool = sqlx::query_scalar(reader).fetch_one(&mut owner).await.unwrap();
    assert!(!reachable, "nobody can become the roles, and they are no members of others");

    affected(&mut owner, "SET ROLE aether_key_reader".to_owned()).await.unwrap();
    let hashes: i64 =
        sqlx::query_scalar("SELECT count(hash) FROM identity.api_keys").fetch_one(&mut owner).await.unwrap();
    assert_eq!(hashes, 1, "this it can do, else the rest would prove nothing");
    for statement in [
        "SELECT name FROM identity.api_keys",
        "SELECT * FROM identity.people",
        "SELECT * FROM identity.tenants",
        "SELECT * FROM agents.turns",
        "UPDATE identity.api_keys SET hash = hash",
        "DELETE FROM identity.api_keys",
        "CREATE FUNCTION identity.loophole() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE identity.loophole (id int)",
    ] {
        assert!(affected(&mut owner, statement.to_owned()).await.is_err(), "{statement}");
    }
    affected(&mut owner, "RESET ROLE".to_owned()).await.unwrap();
    affected(&mut owner, "SET ROLE aether_source_reader".to_owned()).await.unwrap();
    for statement in
        ["SELECT created_at FROM notify.sources", "SELECT * FROM notify.targets", "DELETE FROM notify.sources"]
    {
        assert!(affected(&mut owner, statement.to_owned()).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn a_foreign_tenant_sees_and_changes_nothing_in_any_table() {
    let database = database().await;
    fill(&database, &tenant("acme")).await;
    fill(&database, &tenant("globex")).await;
    for table in tables(&database).await {
        let mut acme = as_tenant(&database, Some("acme")).await;
        let own = count(&mut acme, &table).await;
        assert!(own > 0, "{table}: give it a row in `fill`");

        let mut foreign = as_tenant(&database, Some("initech")).await;
        assert_eq!(count(&mut foreign, &table).await, 0, "{table} shows rows to a foreign tenant");
        assert_eq!(affected(&mut foreign, format!("DELETE FROM {table}")).await.unwrap(), 0, "{table}");
        assert_eq!(affected(&mut foreign, format!("UPDATE {table} SET tenant_id = 'x'")).await.unwrap(), 0, "{table}");

        // One's own row can't be given away, and the tenant of the row is what the policy looks at.
        let given_away = affected(&mut acme, format!("UPDATE {table} SET tenant_id = 'initech'")).await;
        assert!(given_away.is_err(), "{table} lets a row change its tenant");
        let mut globex = as_tenant(&database, Some("globex")).await;
        let named: i64 =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE tenant_id = 'acme'")))
                .fetch_one(&mut globex)
                .await
                .unwrap();
        assert_eq!(named, 0, "{table} shows rows to who names their tenant");
        assert_eq!(count(&mut acme, &table).await, own, "{table} lost rows");
    }
}

#[tokio::test]
async fn without_a_tenant_there_is_nothing_and_nothing_can_be_written() {
    let database = database().await;
    fill(&database, &tenant("acme")).await;
    for unset in [None, Some("")] {
        let mut connection = as_tenant(&database, unset).await;
        for table in tables(&database).await {
            assert_eq!(count(&mut connection, &table).await, 0, "{table} with the tenant {unset:?}");
            assert_eq!(affected(&mut connection, format!("DELETE FROM {table}")).await.unwrap(), 0);
        }
        let session =
            "INSERT INTO agents.sessions (agent_id, session_id, started_at) VALUES ('a', gen_random_uuid(), now())";
        assert!(affected(&mut connection, session.to_owned()).await.is_err());
        let foreign = "INSERT INTO agents.sessions (tenant_id, agent_id, session_id, started_at) \
                       VALUES ('acme', 'a', gen_random_uuid(), now())";
        assert!(affected(&mut connection, foreign.to_owned()).await.is_err());
    }
}

#[tokio::test]
async fn a_connection_forgets_its_tenant_with_the_transaction() {
    let database = database().await;
    fill(&database, &tenant("acme")).await;
    let mut options = Options::new(&database.service_url);
    options.max_connections = 1;
    let store = Store::connect(&options).unwrap();
    store.tenant(&tenant("acme")).await.unwrap().commit().await.unwrap();
    drop(store.tenant(&tenant("acme")).await.unwrap());
    let mut other = store.tenant(&tenant("globex")).await.unwrap();
    let session = SessionId::generate();
    assert_eq!(other.history(session, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn no_login_can_step_around_the_policies() {
    let database = database().await;
    fill(&database, &tenant("acme")).await;
    let mut service = as_tenant(&database, Some("initech")).await;
    for statement in [
        "ALTER TABLE agents.memories DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant_rows ON agents.memories",
        "CALL agents.isolate('agents.memories')",
        "SET ROLE aether",
        "SET ROLE aether_key_reader",
        "SET ROLE aether_job_clerk",
        "ALTER TABLE identity.api_keys DISABLE ROW LEVEL SECURITY",
        "ALTER POLICY key_look_up ON identity.api_keys TO everything",
        "ALTER FUNCTION identity.find_key(text) SET search_path = public",
        "CREATE TABLE identity.loophole (id int)",
        "CREATE TABLE agents.loophole (id int)",
        "TRUNCATE agents.memories",
        "SELECT * FROM public._sqlx_migrations",
    ] {
        assert!(affected(&mut service, statement.to_owned()).await.is_err(), "{statement}");
    }
    affected(&mut service, "SET row_security = off".to_owned()).await.unwrap();
    assert!(affected(&mut service, "SELECT * FROM agents.memories".to_owned()).await.is_err());
}

#[tokio::test]
async fn a_login_that_bypasses_the_policies_is_refused() {
    let database = database().await;
    let store = Store::connect(&Options::new(&database.server.url)).unwrap();
    assert!(matches!(store.ready().await, Err(Error::BypassesRowSecurity)));
    assert!(matches!(store.tenant(&tenant("acme")).await, Err(Error::BypassesRowSecurity)));
}
