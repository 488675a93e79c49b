//! On whose behalf, and until when, a message travels.

use std::time::Duration;

use aether_proto::{AgentId, RequestId, SessionId, TenantId};
use tokio::time::Instant;

/// Travels in the headers of everything on the bus. The trace is not in here: it is taken from the current span.
///
/// A deadline crosses the wire as time *remaining*, so that two machines need not agree on the time of day, and shrinks
/// by itself as the context is handed on.
#[derive(Debug, Clone)]
pub struct Context {
    pub tenant: TenantId,
    pub agent: AgentId,
    pub session: Option<SessionId>,
    pub request: RequestId,
    expires_at: Option<Instant>,
}

impl Context {
    /// A context with a new request id, no session and no deadline.
    pub fn new(tenant: TenantId, agent: AgentId) -> Self {
        Self { tenant, agent, session: None, request: RequestId::generate(), expires_at: None }
    }

    #[must_use]
    pub fn with_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// The same work under another request id, for one of several messages made on behalf of one.
    #[must_use]
    pub fn with_request(mut self, request: RequestId) -> Self {
        self.request = request;
        self
    }

    /// Limits the work to `limit` from now; an earlier deadline stays.
    #[must_use]
    pub fn with_deadline(mut self, limit: Duration) -> Self {
        let proposed = Instant::now() + limit;
        self.expires_at = Some(self.expires_at.map_or(proposed, |earlier| earlier.min(proposed)));
        self
    }

    /// The time that remains; zero once it is over, `None` without a deadline.
    pub fn deadline(&self) -> Option<Duration> {
        self.expires_at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }
}
