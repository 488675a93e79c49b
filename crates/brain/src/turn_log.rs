//! The durable turn log, followed into the store. An entry may come twice and out of order: its row has a unique key.

use std::sync::Arc;

use aether_bus::{Bus, ConsumeError, ConsumeOptions, Consumer, Context, DurableStream};
use aether_memory::RememberError;
use aether_proto::TurnLogEntry;
use aether_proto::turn_log_entry::Step;
use aether_store::ApplyError;
use aether_telemetry::with_causes;
use tracing::Instrument as _;

use crate::mind::Mind;
use crate::{Options, jobs};

/// Entries that may wait for another attempt before the log stands still. Rows are written whether or not there is a sentence
/// model, so a missing one holds up only what it is needed for.
const WAITING: u16 = 1000;

/// Follows the log until the consumer is dropped.
pub fn follow(bus: &Bus, mind: &Arc<Mind>) -> Consumer {
    let mind = Arc::clone(mind);
    let options = ConsumeOptions { in_flight: WAITING, ..ConsumeOptions::new(DurableStream::Turns, "brain") };
    bus.consume(options, move |context, entry| write(Arc::clone(&mind), context, entry))
}

async fn write(mind: Arc<Mind>, context: Context, entry: TurnLogEntry) -> Result<(), ConsumeError> {
    let written = write_rows(&mind, &context, &entry).await;
    if written.is_ok() {
        after_turn(&mind, &context, &entry);
    }
    written
}

/// Has done what is to be done once the turn is whole, which this entry may have made it; entries come in any order.
///
/// The log does not wait for it, nor comes an entry again because of it: while the scheduler is away conversations must be
/// written down all the same. For a turn that gets no job here facts are looked for at night, by the scheduler's
/// `missed_turns`; its session is summarised after the next turn.
fn after_turn(mind: &Arc<Mind>, context: &Context, entry: &TurnLogEntry) {
    if !matches!(entry.step, Some(Step::UserCommitted(_) | Step::Ended(_))) {
        return;
    }
    let Ok(turn) = entry.turn_id.parse() else { return };
    let (mind, tenant, agent) = (Arc::clone(mind), context.tenant.clone(), context.agent.clone());
    let ask = async move {
        let Options { learn_after, summarise_after, .. } = mind.options;
        let kinds = [(jobs::FACT_EXTRACTION, learn_after), (jobs::SESSION_SUMMARY, summarise_after)];
        if let Err(error) = mind.jobs.after_turn(&tenant, &agent, turn, &kinds).await {
            tracing::info!(error = with_causes(&error), %turn, "what is done after a turn was not asked for");
        }
    };
    tokio::spawn(ask.in_current_span());
}

async fn write_rows(mind: &Mind, context: &Context, entry: &TurnLogEntry) -> Result<(), ConsumeError> {
    let Context { tenant, agent, .. } = context;
    let Some(memory) = mind.memory.get() else {
        let rows = async {
            let mut transaction = mind.store.tenant(tenant).await?;
            transaction.apply_turn_log_entry(agent, entry).await?;
            Ok::<_, ApplyError>(transaction.commit().await?)
        };
        return match rows.await {
            // Comes again until it can be embedded, too.
            Ok(()) if matches!(entry.step, Some(Step::UserCommitted(_))) => {
                Err(ConsumeError::Retry("the sentence model is not loaded yet".to_owned()))
            }
            Ok(()) => Ok(()),
            Err(error @ ApplyError::Malformed(_)) => Err(ConsumeError::Reject(error.to_string())),
            Err(error) => Err(ConsumeError::Retry(with_causes(&error))),
        };
    };
    match memory.remember(tenant, agent, entry).await {
        Ok(_) => Ok(()),
        Err(error @ RememberError::Malformed(_)) => Err(ConsumeError::Reject(error.to_string())),
        Err(error) => Err(ConsumeError::Retry(with_causes(&error))),
    }
}
