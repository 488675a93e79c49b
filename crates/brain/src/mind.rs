//! What all turns of this process share.

use aether_bus::Bus;
use aether_llm::Client;
use aether_store::Store;

use crate::Options;
use crate::gate::Gate;
use crate::generation::Generations;
use crate::jobs::Jobs;
use crate::remembering::Remembering;
use crate::session::Sessions;

pub struct Mind {
    pub options: Options,
    pub llm: Client,
    pub store: Store,
    pub memory: Remembering,
    pub gate: Gate,
    pub generations: Generations,
    pub sessions: Sessions,
    pub jobs: Jobs,
}

impl Mind {
    pub fn new(options: Options, bus: Bus, llm: Client, store: Store) -> Self {
        Self {
            jobs: Jobs::new(bus, store.clone()),
            options,
            llm,
            store,
            memory: Remembering::default(),
            gate: Gate::default(),
            generations: Generations::default(),
            sessions: Sessions::default(),
        }
    }

    /// Bytes that fit beside the persona and an answer. A token is some four bytes of English; three leave room for languages
    /// that take more.
    pub fn prompt_budget(&self) -> usize {
        const BYTES_PER_TOKEN: usize = 3;
        let tokens = self.options.context_tokens.saturating_sub(self.options.max_output_tokens.get());
        let persona = self.options.persona.len().max(self.options.writing_persona.len());
        (tokens as usize * BYTES_PER_TOKEN).saturating_sub(persona)
    }
}

/// What becomes of a failed answer: the two cases that a caller treats differently.
pub fn llm_error(error: &aether_llm::Error) -> aether_proto::Error {
    use aether_proto::ErrorCode;
    let code = match error {
        error if error.is_deadline() => ErrorCode::DeadlineExceeded,
        aether_llm::Error::Cancelled => ErrorCode::Internal,
        _ => ErrorCode::LlmUnavailable,
    };
    let mut failed = code.error(aether_telemetry::with_causes(error));
    if let aether_llm::Error::CircuitOpen { retry_after } = error {
        failed.retry_after_ms = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX);
    }
    failed
}
