//! What can go wrong between here and Postgres, in the few kinds that a caller treats differently.

use aether_proto::ErrorCode;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Repeating it later may help.
    #[error("postgres does not answer; check that it runs and that POSTGRES_URL is right")]
    Unavailable(#[source] sqlx::Error),
    #[error("postgres refused the login; check user and password in POSTGRES_URL")]
    LoginRefused(#[source] sqlx::Error),
    #[error("the database has not all tables of this version; run the migrations")]
    NotMigrated(#[source] sqlx::Error),
    /// Such a login would see every tenant's rows.
    #[error("the login in POSTGRES_URL bypasses row-level security; use the service's own, such as aether_brain")]
    BypassesRowSecurity,
    #[error("postgres refused a statement")]
    Rejected(#[source] sqlx::Error),
    /// Somebody else wrote it.
    #[error("a row holds what is no id")]
    Unreadable(#[source] aether_proto::IdError),
}

impl Error {
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable(_) | Self::LoginRefused(_) | Self::NotMigrated(_) | Self::BypassesRowSecurity => {
                ErrorCode::StoreUnavailable
            }
            Self::Rejected(_) | Self::Unreadable(_) => ErrorCode::Internal,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
                _ => Self::Rejected(error),
            };
        };
        // SQLSTATE: 08 connection, 28 login, 53 resources, 57 operator intervention, 3D no such database, 3F no such
        // schema, 42P01 no such table, 42703 no such column, 42883 no such function.
        let state = database.code().map(|code| code.into_owned()).unwrap_or_default();
        match state.get(..2) {
            Some("3F") => Self::NotMigrated(error),
            _ if matches!(state.as_str(), "42P01" | "42703" | "42883") => Self::NotMigrated(error),
            Some("28") => Self::LoginRefused(error),
            Some("08" | "53" | "57" | "3D") => Self::Unavailable(error),
            _ => Self::Rejected(error),
        }
    }
}
