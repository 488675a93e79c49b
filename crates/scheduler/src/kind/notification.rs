//! The times of notifications: when one is to be judged, delivered, or told in a digest. The notifier does it; here it is
//! asked to, until it has.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aether_job::{Limits, Priority};
use aether_proto::{NotifyDelivery, NotifyWork, NotifyWorkReply, notify_work::Work, subject};
use aether_store::JobRow;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Kind, Outcome, Pool};
use crate::kernel::Kernel;

/// A channel that answers slowly is waited for, and there may be several.
const LIMIT: Duration = Duration::from_secs(60);
/// Of a channel that is away for most of an hour.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(16).unwrap();
/// While there is no notifier: that is no failure of a notification.
const UNTIL_THERE: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    notification_id: String,
    #[serde(default)]
    round: i32,
}

pub enum Notification {
    Decision,
    Delivery,
    Digest,
}

impl Kind for Notification {
    fn name(&self) -> &'static str {
        match self {
            Self::Decision => "notification_decision",
            Self::Delivery => "notification_delivery",
            Self::Digest => "notification_digest",
        }
    }

    fn pool(&self) -> Pool {
        Pool::Interactive
    }

    fn priority(&self) -> Priority {
        match self {
            Self::Decision | Self::Delivery => Priority::P0,
            Self::Digest => Priority::P2,
        }
    }

    fn limit(&self) -> Duration {
        LIMIT
    }

    fn limits(&self) -> Limits {
        Limits { attempts: ATTEMPTS, ..Limits::DEFAULT }
    }

    fn needs_person(&self) -> bool {
        true
    }

    /// Whoever can't be told can't be told of that either.
    fn is_missed(&self) -> bool {
        false
    }

    fn check(&self, payload: &Value) -> Result<(), String> {
        match self {
            Self::Digest => Ok(()),
            Self::Decision | Self::Delivery => named(payload).map(|_| ()),
        }
    }

    fn run<'a>(&'a self, kernel: &'a Arc<Kernel>, job: &'a JobRow) -> BoxFuture<'a, Outcome> {
        async move {
            let work = match self {
                Self::Digest => Ok(Work::Digest(job.person.as_ref().map(ToString::to_string).unwrap_or_default())),
                Self::Decision => named(&job.payload).map(|named| Work::Decide(named.notification_id)),
                Self::Delivery => named(&job.payload)
                    .map(|Named { notification_id, round }| Work::Deliver(NotifyDelivery { notification_id, round })),
            };
            match work {
                Ok(work) => ask(kernel, job, work).await,
                Err(reason) => Outcome::Impossible(reason),
            }
        }
        .boxed()
    }
}

fn named(payload: &Value) -> Result<Named, String> {
    serde_json::from_value(payload.clone())
        .map_err(|error| format!("the payload names a notification by its `notification_id`: {error}"))
}

async fn ask(kernel: &Kernel, job: &JobRow, work: Work) -> Outcome {
    let context = Kernel::context(job).with_deadline(LIMIT);
    match kernel.bus.request(&context, subject::NOTIFY_WORK, &NotifyWork { work: Some(work) }).await {
        Ok(NotifyWorkReply { done, again_after_ms: 0 }) => Outcome::Done(json!({ "done": done })),
        Ok(NotifyWorkReply { again_after_ms, .. }) => Outcome::NotNow(Duration::from_millis(again_after_ms.into())),
        Err(aether_bus::Error::NoWorker { .. }) => Outcome::NotNow(UNTIL_THERE),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_a_notification_or_says_what_is_wrong() {
        assert!(Notification::Delivery.check(&json!({ "notification_id": "x", "round": 1 })).is_ok());
        assert!(Notification::Digest.check(&Value::Null).is_ok());
        for payload in [json!({}), json!({ "notification_id": 7 }), json!({ "notification_id": "x", "now": true })] {
            let reason = Notification::Decision.check(&payload).unwrap_err();
            assert!(reason.contains("notification"), "{reason}");
        }
    }
}
