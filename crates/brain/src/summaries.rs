//! `summaries.keep`: what a session was about, kept while it is still true.

use aether_bus::Context;
use aether_proto::{Error, SummaryKeep, SummaryKept, TurnId};
use aether_store::{NewSummary, Store};
use aether_telemetry::with_causes;

use crate::input::invalid;

/// In characters.
const LONGEST_TITLE: usize = 60;
const LONGEST_SUMMARY: usize = 600;
const MOST_TURNS: usize = 1000;

/// Answers one `summaries.keep`.
pub async fn serve(store: Store, context: Context, request: SummaryKeep) -> Result<SummaryKept, Error> {
    let SummaryKeep { session_id, turn_ids, title, summary } = request;
    let session = session_id.parse().map_err(invalid)?;
    if turn_ids.len() > MOST_TURNS {
        return Err(invalid(format_args!("at most {MOST_TURNS} turns")));
    }
    let turns: Vec<TurnId> = turn_ids.iter().map(|turn| turn.parse()).collect::<Result<_, _>>().map_err(invalid)?;
    for (name, text, longest) in [("title", &title, LONGEST_TITLE), ("summary", &summary, LONGEST_SUMMARY)] {
        if text.trim().is_empty() || text.chars().count() > longest {
            return Err(invalid(format_args!("`{name}` is empty or longer than {longest} characters")));
        }
    }
    let new = NewSummary { agent: &context.agent, session, turns: &turns, title: &title, summary: &summary };
    let kept = async {
        let mut transaction = store.tenant(&context.tenant).await?;
        let kept = transaction.summarise_session(&new).await?;
        transaction.commit().await?;
        Ok::<_, aether_store::Error>(kept)
    };
    let kept = kept.await.map_err(|error| error.code().error(with_causes(&error)))?;
    Ok(SummaryKept { kept })
}
