//! The pool, which nobody else sees.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aether_proto::{JobId, TenantId};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::{
    Error, FoundSource, JobQueue, JobRow, Login, MigrateError, ScheduleRow, StoredKey, TenantTransaction, WaitingJob,
    job, key, migration, notify, schedule,
};

/// A commit is on disk when it returns, whatever the server's default: the turn log is acknowledged after it.
pub(crate) const DURABLE: (&str, &str) = ("synchronous_commit", "on");

/// How to reach Postgres as a service.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// `postgres://aether_SERVICE:PASSWORD@HOST:PORT/DATABASE`
    pub url: String,
    pub max_connections: u32,
    /// How long a caller waits for a connection, a new one included.
    pub acquire_timeout: Duration,
    /// After this Postgres gives up a statement by itself.
    pub statement_timeout: Duration,
}

impl Options {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 8,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &"***")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish()
    }
}

/// Why a URL can't be one of Postgres. Never shows it: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("not a postgres URL; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
pub struct ConnectError(#[source] sqlx::Error);

/// Everything that lasts. Cheap to clone; all clones share one pool.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Returns at once, also while Postgres is away: the first transaction connects, and every later one reconnects when
    /// it must. Needs a tokio runtime.
    pub fn connect(options: &Options) -> Result<Self, ConnectError> {
        let connection = PgConnectOptions::from_str(&options.url)
            .map_err(ConnectError)?
            .application_name("aether")
            .options([("statement_timeout", options.statement_timeout.as_millis().to_string().as_str()), DURABLE])
            // Statements carry no values, but their number would drown everything else at debug level.
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            .connect_lazy_with(connection);
        Ok(Self { pool })
    }

    /// Brings the database behind `owner_url` to the newest schema and lets each service log in with its password. Safe to
    /// repeat, and to run from several processes at once.
    pub async fn migrate(owner_url: &str, password: impl Fn(Login) -> String) -> Result<(), MigrateError> {
        migration::migrate(owner_url, Login::ALL.map(|login| (login, password(login)))).await
    }

    /// The only way to rows: a transaction that sees `tenant`'s and no others.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<TenantTransaction, Error> {
        TenantTransaction::begin(&self.pool, tenant).await
    }

    /// Whose key has this prefix, in whichever tenant. The caller compares the hashes.
    pub async fn find_key(&self, prefix: &str) -> Result<Option<StoredKey>, Error> {
        key::find(&self.pool, prefix).await
    }

    /// Who sends events under this id, in whichever tenant.
    pub async fn find_source(&self, source: &str) -> Result<Option<FoundSource>, Error> {
        notify::find(&self.pool, source).await
    }

    /// What waits in a pool and is due, of every tenant the first few.
    pub async fn waiting_jobs(&self, pool: &str, most_per_tenant: u32) -> Result<Vec<WaitingJob>, Error> {
        job::waiting(&self.pool, pool, most_per_tenant).await
    }

    /// Gives these jobs, each with its tenant's id, to a worker: those that still wait. They are its own for as long as `lease`
    /// and renewals last.
    pub async fn claim_jobs(
        &self,
        jobs: &[(String, JobId)],
        worker: &str,
        lease: Duration,
    ) -> Result<Vec<JobRow>, Error> {
        job::claim(&self.pool, jobs, worker, lease).await
    }

    /// All that this worker has stays its own; how many jobs that is.
    pub async fn renew_jobs(&self, worker: &str, lease: Duration) -> Result<i64, Error> {
        job::renew(&self.pool, worker, lease).await
    }

    /// Jobs for which time has brought something: a worker that is gone, another try, too late, nobody told.
    pub async fn overdue_jobs(&self, most: u32) -> Result<Vec<JobRow>, Error> {
        job::overdue(&self.pool, most).await
    }

    pub async fn due_schedules(&self, most: u32) -> Result<Vec<ScheduleRow>, Error> {
        schedule::due(&self.pool, most).await
    }

    /// How much there is to do, over all tenants.
    pub async fn job_queues(&self) -> Result<Vec<JobQueue>, Error> {
        job::queues(&self.pool).await
    }

    /// A real round trip, which also checks the login and that the schema is there.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        let login = sqlx::query!(
            r#"SELECT (rolsuper OR rolbypassrls) AS "bypasses!" FROM pg_catalog.pg_roles WHERE rolname = current_user"#
        )
        .fetch_one(&mut *connection)
        .await?;
        if login.bypasses {
            return Err(Error::BypassesRowSecurity);
        }
        // A login sees which tables there are, not what is in those of other services.
        let schema = sqlx::query!(
            r#"SELECT FROM pg_catalog.pg_tables
               WHERE (schemaname, tablename) IN
                     (('agents', 'learned_turns'), ('identity', 'api_keys'), ('jobs', 'schedules'), ('notify', 'sources'))
               HAVING count(*) = 4"#
        )
        .fetch_optional(&mut *connection)
        .await?;
        schema.map(drop).ok_or(Error::NotMigrated(sqlx::Error::RowNotFound))
    }

    /// Waits for running transactions and closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("connections", &self.pool.size()).finish_non_exhaustive()
    }
}
