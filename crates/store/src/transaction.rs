//! The only executor of statements.

use aether_proto::TenantId;
use sqlx::{PgPool, Postgres, Transaction};

use crate::Error;

/// A transaction that sees and writes the rows of one tenant. Rolls back when dropped.
#[derive(Debug)]
pub struct TenantTransaction {
    pub(crate) transaction: Transaction<'static, Postgres>,
}

impl TenantTransaction {
    pub(crate) async fn begin(pool: &PgPool, tenant: &TenantId) -> Result<Self, Error> {
        let mut transaction = pool.begin().await?;
        // `true` ends the setting with the transaction, so that a connection returns to the pool without a tenant.
        let login = sqlx::query!(
            r#"SELECT set_config('app.tenant', $1, true),
                      EXISTS (SELECT FROM pg_catalog.pg_roles
                              WHERE rolname = current_user AND (rolsuper OR rolbypassrls)) AS "bypasses!""#,
            tenant.as_str()
        )
        .fetch_one(&mut *transaction)
        .await?;
        if login.bypasses {
            return Err(Error::BypassesRowSecurity);
        }
        Ok(Self { transaction })
    }

    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.transaction.commit().await?)
    }
}
