//! One spoken question through everything that runs, as `aether up --check` asks it, with the time of each stage.

use std::sync::Arc;
use std::time::Duration;

use crate::doctor::Section::Turn;
use crate::doctor::{Finding, Surroundings, numbers};
use crate::person::Exchange;
use crate::talk::{self, CHECK_QUESTION, Place};

/// A cold model on a slow machine answers within this.
const PATIENCE: Duration = Duration::from_secs(45);
/// At the person, as the table of what counts as fast has it.
const SLOW: Duration = Duration::from_secs(4);

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    if !around.is_up() {
        return vec![Turn.skipped("question", "Aether does not run from this folder; `aether up` starts it")];
    }
    match ask(&around).await {
        Ok(exchange) => judge(&exchange),
        Err(why) => vec![Turn.problem("question", why, "look at `aether status` and at the agent's log")],
    }
}

async fn ask(around: &Surroundings) -> Result<Exchange, String> {
    let told = |error: crate::Error| error.told().unwrap_or_default();
    let question = talk::question(CHECK_QUESTION)?;
    let place = Place::fresh().map_err(told)?;
    let mut person = talk::enter(&around.context, &place).await.map_err(told)?;
    let exchange = person.ask(question, PATIENCE).await;
    person.leave().await;
    exchange.map_err(told)
}

/// Words and answer stay out of it: only whether there were any.
fn judge(exchange: &Exchange) -> Vec<Finding> {
    let metrics = &exchange.metrics;
    let mut findings = vec![if exchange.heard.is_empty() {
        Turn.problem("question", "nothing was understood", "look at the agent's log and at the models above")
    } else if exchange.end != "completed" {
        Turn.problem(
            "question",
            format!("was understood, and the answer ended with {:?}", exchange.end),
            "look at brain's log and at the language model above",
        )
    } else if exchange.total.is_none() {
        Turn.problem("question", "was answered, and nothing was heard", "look at tts's log and at ICE above")
    } else {
        Turn.ok("question", "was understood and answered aloud")
    }];
    let stages = [
        ("silence", "of silence were waited for", "endpoint_ms", metrics.endpoint_ms),
        ("transcript", "after that", "transcript_ms", metrics.stt_ms),
        ("first token", "after the transcript", "first_token_ms", metrics.llm_first_token_ms),
        ("first clause", "after the first token", "first_clause_ms", metrics.llm_first_chunk_ms),
        ("first sound", "after the first clause", "first_sound_ms", metrics.tts_first_audio_ms),
    ];
    findings.extend(stages.into_iter().map(|(subject, what, figure, took)| {
        Turn.ok(subject, format!("{took} ms {what}")).with(figure, f64::from(took))
    }));
    if let Some(total) = exchange.total {
        let milliseconds = numbers::milliseconds(total);
        let found = format!("{milliseconds:.0} ms from the last word to the first sound, at the person");
        let finding = if total > SLOW {
            Turn.warning(
                "all of it",
                found,
                "the first question after a start is the slowest: look again; see also Speed",
            )
        } else {
            Turn.ok("all of it", found)
        };
        findings.push(finding.with("total_ms", milliseconds));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    fn exchange(heard: &str, end: &str, total: Option<u64>) -> Exchange {
        Exchange {
            heard: heard.to_owned(),
            answer: "nobody may read this".to_owned(),
            end: end.to_owned(),
            total: total.map(Duration::from_millis),
            ..Exchange::default()
        }
    }

    #[test]
    fn a_turn_is_judged_by_how_far_it_came_and_its_words_stay_out() {
        for (exchange, status) in [
            (exchange("secret words", "completed", Some(1200)), Status::Ok),
            (exchange("secret words", "completed", Some(9000)), Status::Warning),
            (exchange("secret words", "completed", None), Status::Problem),
            (exchange("secret words", "error", Some(1200)), Status::Problem),
            (exchange("", "completed", Some(1200)), Status::Problem),
        ] {
            let findings = judge(&exchange);
            assert_eq!(findings.iter().map(|finding| finding.status).max(), Some(status));
            let shown = format!("{findings:?}");
            assert!(!shown.contains("secret words") && !shown.contains("nobody may read this"), "{shown}");
        }
    }
}
