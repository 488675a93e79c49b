//! The schema's owner at work.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::Login;
use crate::store::DURABLE;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("not a postgres URL; expected postgres://OWNER:PASSWORD@HOST:PORT/DATABASE")]
    Url(#[source] sqlx::Error),
    #[error("can't log in to postgres as the schema's owner; check that it runs and that the database exists")]
    Connect(#[source] sqlx::Error),
    #[error("a migration failed and was rolled back")]
    Migration(#[source] sqlx::migrate::MigrateError),
    #[error("can't let the services log in; the owner needs CREATEROLE")]
    ServiceLogin(#[source] sqlx::Error),
}

pub(crate) async fn migrate(owner_url: &str, logins: [(Login, String); 4]) -> Result<(), MigrateError> {
    let mut owner = PgConnectOptions::from_str(owner_url)
        .map_err(MigrateError::Url)?
        .application_name("aether-migrate")
        .options([DURABLE])
        .disable_statement_logging()
        .connect()
        .await
        .map_err(MigrateError::Connect)?;
    // Takes an advisory lock: a second process waits here and then finds nothing to do.
    MIGRATIONS.run(&mut owner).await.map_err(MigrateError::Migration)?;
    let allowed = allow_logins(&mut owner, &logins).await;
    // The work is done or has failed already; how the goodbye goes changes neither.
    let _ = owner.close().await;
    allowed.map_err(MigrateError::ServiceLogin)
}

/// Roles belong to the whole server, so their passwords are no migration. `ALTER ROLE` takes no parameters; name and password
/// travel as settings, quoted by Postgres itself.
async fn allow_logins(owner: &mut PgConnection, logins: &[(Login, String)]) -> Result<(), sqlx::Error> {
    let mut transaction = owner.begin().await?;
    // Two processes that alter one role at once make Postgres fail one of them.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('aether_logins'))").fetch_one(&mut *transaction).await?;
    for (login, password) in logins {
        sqlx::query!(
            "SELECT set_config('aether.role', $1, true) AS role, set_config('aether.password', $2, true) AS password",
            login.role(),
            password
        )
        .fetch_one(&mut *transaction)
        .await?;
        sqlx::raw_sql(
            "DO $$ BEGIN EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', \
             current_setting('aether.role'), current_setting('aether.password')); END $$",
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}
