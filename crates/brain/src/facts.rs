//! `facts.keep`: what was found in a turn, kept as far as it holds.

use std::time::Duration;

use aether_bus::Context;
use aether_memory::{Learned, Statement};
use aether_proto::{Error, ErrorCode, Fact, FactsKeep, FactsKept, PersonId, TurnId};
use aether_telemetry::with_causes;

use crate::input::invalid;
use crate::remembering::Remembering;

const MOST: usize = 16;
/// Nobody waits, but a database that says nothing must not hold the call for ever.
const LIMIT: Duration = Duration::from_secs(10);

/// Answers one `facts.keep`. Whoever asks need not be trusted: each fact is judged by the words in its turn's own row.
pub async fn serve(memory: Remembering, context: Context, request: FactsKeep) -> Result<FactsKept, Error> {
    let FactsKeep { person_id, turn_id, facts } = request;
    let person = PersonId::new(person_id).map_err(invalid)?;
    let turn: TurnId = turn_id.parse().map_err(invalid)?;
    if facts.len() > MOST {
        return Err(invalid(format_args!("at most {MOST} facts of one turn")));
    }
    let Some(memory) = memory.get() else {
        return Err(ErrorCode::Unavailable.error("the sentence model is not loaded yet; /health says why"));
    };
    let statements = facts.into_iter().map(|Fact { text, quote }| Statement { text: text.trim().to_owned(), quote });
    let learning = memory.learn(&context.tenant, &context.agent, &person, turn, statements.collect());
    match tokio::time::timeout(LIMIT, learning).await {
        Ok(Ok(Learned::Kept { kept, dropped })) => {
            let dropped = dropped.into_iter().map(|reason| reason.as_str().to_owned()).collect();
            Ok(FactsKept { kept, dropped, closed: false })
        }
        Ok(Ok(Learned::Closed)) => Ok(FactsKept { closed: true, ..FactsKept::default() }),
        Ok(Err(error)) => Err(ErrorCode::StoreUnavailable.error(with_causes(&error))),
        Err(_) => Err(ErrorCode::DeadlineExceeded.error(format_args!("nothing was kept within {LIMIT:?}"))),
    }
}
