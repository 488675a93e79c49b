//! Postgres: its version, pgvector, the schema, and whether the services' roles are as harmless as they should be.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use aether_settings::PostgresSettings;

use super::clock;
use crate::doctor::Section::Postgres;
use crate::doctor::wire::Error;
use crate::doctor::wire::postgres::{Client, Row};
use crate::doctor::{Finding, Surroundings, numbers};

const OLDEST: u64 = 16;
/// Iterative scans, which memories are found with, came with it.
const OLDEST_VECTOR: [u64; 2] = [0, 8];
/// The newest of `migrations/`; a test looks into the folder.
const NEWEST_MIGRATION: i64 = 8;

const ABOUT: &str = "SELECT current_setting('server_version'), current_user, \
    (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user), \
    coalesce((SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'vector'), ''), \
    to_regnamespace('agents') IS NOT NULL, extract(epoch FROM clock_timestamp()), \
    (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'), \
    current_setting('max_connections')";
/// Each table is the newest migration's last; what is there says how far the schema has come, to a role that may not read
/// the list of migrations.
const TABLES: &str = "SELECT bool_or(schemaname = 'agents' AND tablename = 'turns'), \
    bool_or(schemaname = 'identity' AND tablename = 'api_keys'), \
    bool_or(schemaname = 'jobs' AND tablename = 'schedules'), \
    bool_or(schemaname = 'notify' AND tablename = 'notifications') FROM pg_catalog.pg_tables";
/// The services' roles: whether each can log in, and whether it could do more than it is granted.
const LOGINS: &str = "SELECT rolname, rolcanlogin, rolsuper OR rolbypassrls OR rolcreaterole, \
    EXISTS (SELECT FROM pg_catalog.pg_auth_members WHERE member = pg_roles.oid) FROM pg_catalog.pg_roles \
    WHERE rolname IN ('aether_gateway', 'aether_brain', 'aether_scheduler', 'aether_notifier') ORDER BY 1";
const MIGRATIONS: &str = "SELECT max(version), bool_and(success) FROM _sqlx_migrations";

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    if let Some(nobody) = around.nobody_to_ask(Postgres, "postgres", "postgres.url") {
        return vec![nobody];
    }
    let Ok(settings) = around.context.settings(PostgresSettings::read) else {
        return vec![Postgres.skipped("server", "its settings are wrong")];
    };
    let mut client = match Client::connect(settings.url.expose()).await {
        Ok(client) => client,
        Err(error) => return vec![around.unanswered(Postgres, "postgres.url", &error)],
    };
    let (began, before) = (Instant::now(), SystemTime::now());
    let about = match client.ask(ABOUT).await {
        Ok(rows) => rows.into_iter().next().unwrap_or_default(),
        Err(error) => {
            return vec![Postgres.problem(
                "server",
                error.to_string(),
                "check that POSTGRES_URL names Aether's database",
            )];
        }
    };
    let (took, after) = (began.elapsed(), SystemTime::now());
    let mut findings = server(&about);
    if let Some(finding) = findings.first_mut() {
        *finding = finding.clone().with("round_trip_ms", numbers::milliseconds(took));
    }
    let tables = client.ask(TABLES).await.unwrap_or_default().into_iter().next().unwrap_or_default();
    let migrations = migrations(&mut client, &settings).await.ok();
    findings.push(schema(&tables, migrations.as_ref(), around.is_up()));
    // The newest migration makes them.
    if tables.iter().all(|table| table == "t") {
        findings.push(logins(&client.ask(LOGINS).await.unwrap_or_default()));
    }
    if let Some(theirs) = about.get(5).and_then(|seconds| seconds.parse().ok()) {
        findings.push(clock::judge("Postgres", clock::Reading { theirs, before, after, grain: 0.0 }));
    }
    findings
}

/// The list of migrations belongs to the owner of the tables.
async fn migrations(client: &mut Client, settings: &PostgresSettings) -> Result<Row, Error> {
    let rows = match &settings.owner_url {
        Some(owner) => Client::connect(owner.expose()).await?.ask(MIGRATIONS).await,
        None => client.ask(MIGRATIONS).await,
    };
    Ok(rows?.into_iter().next().unwrap_or_default())
}

/// What the columns of [`ABOUT`] mean.
fn server(about: &[String]) -> Vec<Finding> {
    let column = |index: usize| about.get(index).map_or("", String::as_str);
    let version = numbers::version(column(0)).unwrap_or_default();
    let version_found = format!("PostgreSQL {}", column(0));
    let mut findings = vec![if version.first().is_some_and(|major| *major >= OLDEST) {
        Postgres.ok("version", version_found)
    } else {
        Postgres.problem("version", version_found, format!("use Postgres {OLDEST} or newer"))
    }];
    findings.push(match column(3) {
        "" => Postgres.problem(
            "pgvector",
            "is not in this database",
            "as a superuser there: CREATE EXTENSION vector; (Debian: postgresql-17-pgvector)",
        ),
        vector if numbers::version(vector).is_none_or(|version| version < OLDEST_VECTOR.to_vec()) => Postgres.problem(
            "pgvector",
            format!("is {vector}"),
            "use 0.8 or newer, then: ALTER EXTENSION vector UPDATE;",
        ),
        vector => Postgres.ok("pgvector", format!("is {vector}")),
    });
    let role = column(1);
    findings.push(if column(2) == "t" {
        let found = format!("{role} may read every tenant's rows");
        Postgres.problem(
            "role",
            found,
            "let POSTGRES_URL name the service's own role, such as aether_brain, and POSTGRES_OWNER_URL the owner; the \
             services refuse this one",
        )
    } else {
        Postgres.ok("role", format!("{role}, which sees one tenant at a time"))
    });
    let (used, most): (f64, f64) = (column(6).parse().unwrap_or(0.0), column(7).parse().unwrap_or(0.0));
    if most > 0.0 && used > most * 0.9 {
        let found = format!("{used:.0} of {most:.0} are in use");
        findings.push(Postgres.warning("connections", found, "raise max_connections, or end what holds them"));
    }
    findings
}

/// What the columns of [`LOGINS`] mean.
fn logins(rows: &[Row]) -> Finding {
    let is = |row: &Row, column: usize| row.get(column).is_some_and(|value| value == "t");
    if let Some(row) = rows.iter().find(|row| is(row, 2) || is(row, 3)) {
        let role = row.first().map_or("", String::as_str);
        return Postgres.problem(
            "logins",
            format!("{role} may do more than it is granted"),
            format!("as a superuser: take {role} out of every other role, and ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS NOCREATEROLE"),
        );
    }
    if rows.iter().filter(|row| is(row, 1)).count() < 4 {
        return Postgres.problem(
            "logins",
            "not every service can log in",
            "start it again with POSTGRES_OWNER_URL set: `aether up` lets each log in as its own role",
        );
    }
    Postgres.ok("logins", "each service has its own, with its own rights")
}

fn schema(tables: &[String], migrations: Option<&Row>, is_up: bool) -> Finding {
    let present = tables.iter().filter(|table| *table == "t").count();
    if present == 0 {
        let found = "is not there yet";
        return if is_up {
            Postgres.problem("schema", found, "set POSTGRES_OWNER_URL and start again: `aether up` makes it")
        } else {
            Postgres.warning(
                "schema",
                found,
                "`aether up` makes it where POSTGRES_OWNER_URL is set, or Postgres is its own",
            )
        };
    }
    let newest = match migrations {
        Some(row) if row.get(1).is_some_and(|done| done == "f") => {
            return Postgres.problem(
                "schema",
                "a migration was left half done",
                "look at Postgres's log, mend it, and start again",
            );
        }
        Some(row) => row.first().and_then(|version| version.parse::<i64>().ok()),
        None => None,
    };
    match newest {
        Some(newest) if newest < NEWEST_MIGRATION => Postgres.problem(
            "schema",
            format!("stands at migration {newest} of {NEWEST_MIGRATION}"),
            "start it again with POSTGRES_OWNER_URL set: `aether up` brings it up to date",
        ),
        Some(newest) if newest > NEWEST_MIGRATION => Postgres.problem(
            "schema",
            format!("stands at migration {newest}, this version knows {NEWEST_MIGRATION}"),
            "use the newer version of Aether that made it",
        ),
        Some(newest) => {
            Postgres.ok("schema", format!("is up to date (migration {newest})")).with("migration", newest as f64)
        }
        None if present < tables.len() => Postgres.problem(
            "schema",
            "lacks tables",
            "start it again with POSTGRES_OWNER_URL set: `aether up` brings it up to date",
        ),
        None => Postgres.ok("schema", "is there; which migrations ran, only its owner may see (POSTGRES_OWNER_URL)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    fn about(version: &str, bypasses: &str, vector: &str, used: &str) -> Vec<String> {
        [version, "aether_gateway", bypasses, vector, "t", "1.0", used, "100"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_server_is_judged_by_version_extension_role_and_room() {
        for (about, subject, status) in [
            (about("17.2 (Debian 17.2-1)", "f", "0.8.5", "5"), "", Status::Ok),
            (about("15.9", "f", "0.8.5", "5"), "version", Status::Problem),
            (about("17.2", "t", "0.8.5", "5"), "role", Status::Problem),
            (about("17.2", "f", "", "5"), "pgvector", Status::Problem),
            (about("17.2", "f", "0.7.4", "5"), "pgvector", Status::Problem),
            (about("17.2", "f", "0.8.0", "95"), "connections", Status::Warning),
            (Vec::new(), "version", Status::Problem),
        ] {
            let findings = server(&about);
            let worst = findings.iter().max_by_key(|finding| finding.status).unwrap();
            assert_eq!(worst.status, status, "{about:?}");
            assert!(
                subject.is_empty()
                    || findings.iter().any(|finding| finding.subject == subject && finding.status == status)
            );
        }
    }

    #[test]
    fn a_schema_is_judged_by_its_migrations_or_else_by_its_tables() {
        let tables = |text: &str| text.chars().map(|table| table.to_string()).collect::<Vec<_>>();
        let row = |version: i64, done: &str| Some(vec![version.to_string(), done.to_owned()]);
        for (tables, migrations, is_up, status) in [
            (tables("tttt"), row(NEWEST_MIGRATION, "t"), true, Status::Ok),
            (tables("tttt"), row(NEWEST_MIGRATION - 1, "t"), true, Status::Problem),
            (tables("tttt"), row(NEWEST_MIGRATION + 1, "t"), true, Status::Problem),
            (tables("tttt"), row(NEWEST_MIGRATION, "f"), true, Status::Problem),
            (tables("tttt"), None, true, Status::Ok),
            (tables("tttf"), None, true, Status::Problem),
            (tables("ffff"), None, true, Status::Problem),
            (tables("ffff"), None, false, Status::Warning),
        ] {
            assert_eq!(schema(&tables, migrations.as_ref(), is_up).status, status, "{tables:?}");
        }
    }

    #[test]
    fn logins_are_four_and_harmless() {
        let row = |role: &str, others: &str| {
            let others = others.chars().map(|flag| flag.to_string());
            std::iter::once(role.to_owned()).chain(others).collect::<Row>()
        };
        let with = |last: &str| vec![row("a", "tff"), row("b", "tff"), row("c", "tff"), row("d", last)];
        for (rows, status) in [
            (with("tff"), Status::Ok),
            (with("fff"), Status::Problem),
            (with("ttf"), Status::Problem),
            (with("tft"), Status::Problem),
            (Vec::new(), Status::Problem),
        ] {
            assert_eq!(logins(&rows).status, status, "{rows:?}");
        }
    }

    #[test]
    fn the_newest_migration_is_the_one_in_the_folder() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
        let newest = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_string_lossy().split('_').next()?.parse::<i64>().ok());
        assert_eq!(newest.max(), Some(NEWEST_MIGRATION));
    }
}
