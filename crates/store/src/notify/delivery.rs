use aether_proto::{AgentId, NotificationId};

use crate::text::storable;
use crate::{Error, TenantTransaction};

/// What became of a notification at one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// `page`, `room`, or the id of a target.
    pub target: String,
    pub delivered: bool,
    /// Why not.
    pub reason: String,
}

impl TenantTransaction {
    pub async fn deliveries(&mut self, notification: NotificationId, round: i32) -> Result<Vec<DeliveryRow>, Error> {
        let rows = sqlx::query_as!(
            DeliveryRow,
            "SELECT target, delivered, reason FROM notify.deliveries WHERE notification_id = $1 AND round = $2
             ORDER BY at",
            notification.as_uuid(),
            round,
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows)
    }

    /// What was delivered stays delivered.
    pub async fn write_delivery(
        &mut self,
        agent: &AgentId,
        notification: NotificationId,
        round: i32,
        delivery: &DeliveryRow,
    ) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO notify.deliveries AS old (agent_id, notification_id, round, target, delivered, reason)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id, notification_id, round, target) DO UPDATE
             SET delivered = excluded.delivered, reason = excluded.reason, at = now()
             WHERE NOT old.delivered",
            agent.as_str(),
            notification.as_uuid(),
            round,
            delivery.target,
            delivery.delivered,
            storable(&delivery.reason),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}
