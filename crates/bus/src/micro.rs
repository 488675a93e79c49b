//! Discovery and statistics for the NATS micro tools (`nats micro ls`, `nats micro stats brain`).
//!
//! Our own few responders instead of the client library's: its endpoints count one message as one request, and a call is
//! many messages that count once, with the time from its opening to its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_nats::{Message, Subscriber};
use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::error::Error;

/// What an endpoint did since its service started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointStats {
    pub name: String,
    pub subject: String,
    #[serde(rename = "num_requests")]
    pub requests: u64,
    #[serde(rename = "num_errors")]
    pub errors: u64,
    pub last_error: String,
    #[serde(serialize_with = "nanoseconds")]
    pub processing_time: Duration,
}

fn nanoseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// The counters behind [`EndpointStats`].
#[derive(Debug)]
pub(crate) struct EndpointCounters {
    name: String,
    subject: String,
    requests: AtomicU64,
    errors: AtomicU64,
    processing_ns: AtomicU64,
    last_error: Mutex<String>,
}

impl EndpointCounters {
    pub(crate) fn new(subject: &str) -> Self {
        Self {
            // Endpoint names have no dots.
            name: subject.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_', "-"),
            subject: subject.to_owned(),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            processing_ns: AtomicU64::new(0),
            last_error: Mutex::new(String::new()),
        }
    }

    pub(crate) fn count(&self, took: Duration, error: Option<&aether_proto::Error>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.processing_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if let Some(error) = error {
            self.errors.fetch_add(1, Ordering::Relaxed);
            let described = format!("{}:{}", error.error_code().http_status(), error.code);
            *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = described;
        }
    }

    pub(crate) fn stats(&self) -> EndpointStats {
        EndpointStats {
            name: self.name.clone(),
            subject: self.subject.clone(),
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            processing_time: Duration::from_nanos(self.processing_ns.load(Ordering::Relaxed)),
        }
    }
}

/// What the micro tools may know about a service.
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) id: String,
    pub(crate) started: SystemTime,
    pub(crate) endpoints: Vec<Arc<EndpointCounters>>,
}

impl Description {
    fn answer(&self, verb: &str) -> Option<Value> {
        let mut answer = json!({ "name": self.name, "id": self.id, "version": self.version, "metadata": {} });
        match verb {
            "PING" => answer["type"] = "io.nats.micro.v1.ping_response".into(),
            "INFO" => {
                answer["type"] = "io.nats.micro.v1.info_response".into();
                answer["description"] = self.description.as_str().into();
                answer["endpoints"] = self.endpoints.iter().map(|endpoint| self.endpoint_info(endpoint)).collect();
            }
            "STATS" => {
                answer["type"] = "io.nats.micro.v1.stats_response".into();
                answer["started"] = OffsetDateTime::from(self.started).format(&Rfc3339).unwrap_or_default().into();
                answer["endpoints"] = self.endpoints.iter().map(|endpoint| self.endpoint_stats(endpoint)).collect();
            }
            _ => return None,
        }
        Some(answer)
    }

    fn endpoint_info(&self, endpoint: &EndpointCounters) -> Value {
        json!({ "name": endpoint.name, "subject": endpoint.subject, "queue_group": self.name, "metadata": {} })
    }

    fn endpoint_stats(&self, endpoint: &EndpointCounters) -> Value {
        let stats = endpoint.stats();
        let average = stats.processing_time.as_nanos().checked_div(stats.requests.into()).unwrap_or(0);
        let mut value = json!(stats);
        value["queue_group"] = self.name.as_str().into();
        value["average_processing_time"] = u64::try_from(average).unwrap_or(u64::MAX).into();
        value
    }
}

/// Asked of everybody, of a name, or of one instance; the verb is the second token.
pub(crate) async fn subscribe(bus: &Bus, name: &str, id: &str) -> Result<Vec<Subscriber>, Error> {
    let mut questions = Vec::new();
    for subject in ["$SRV.*".to_owned(), format!("$SRV.*.{name}"), format!("$SRV.*.{name}.{id}")] {
        questions.push(bus.client().subscribe(subject).await.map_err(|_| Error::Disconnected)?);
    }
    Ok(questions)
}

pub(crate) async fn answer(bus: Bus, description: Description, questions: Vec<Subscriber>, stop: CancellationToken) {
    let mut questions = stream::select_all(questions);
    while let Some(Some(question)) = stop.run_until_cancelled(questions.next()).await {
        let Some((reply, answer)) = answer_one(&description, &question) else { continue };
        if let Err(error) = bus.client().publish(reply, answer.to_string().into()).await {
            tracing::debug!(%error, "an answer to a micro tool was not sent");
        }
    }
}

fn answer_one(description: &Description, question: &Message) -> Option<(async_nats::Subject, Value)> {
    let verb = question.subject.split('.').nth(1)?;
    Some((question.reply.clone()?, description.answer(verb)?))
}
