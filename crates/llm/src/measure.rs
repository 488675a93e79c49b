//! What is measured of every answer. Names and labels are OpenTelemetry's GenAI conventions as Prometheus shows them.

use std::time::Duration;

use crate::{Error, Usage};

const TIME_TO_FIRST_TOKEN: &str = "gen_ai_server_time_to_first_token_seconds";
const OPERATION_DURATION: &str = "gen_ai_client_operation_duration_seconds";
const TOKEN_USAGE: &str = "gen_ai_client_token_usage";
const OPERATION: &str = "gen_ai_operation_name";
const MODEL: &str = "gen_ai_request_model";

pub fn first_token(model: &str, after: Duration) {
    metrics::histogram!(TIME_TO_FIRST_TOKEN, OPERATION => "chat", MODEL => model.to_owned()).record(after);
}

pub fn tokens(model: &str, usage: &Usage) {
    for (kind, count) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
        metrics::histogram!(TOKEN_USAGE, "gen_ai_token_type" => kind, MODEL => model.to_owned()).record(count);
    }
}

pub fn ended(model: &str, after: Duration, outcome: &Result<(), Error>) {
    let model = model.to_owned();
    match outcome {
        Ok(()) => metrics::histogram!(OPERATION_DURATION, OPERATION => "chat", MODEL => model).record(after),
        // The caller changed their mind: no operation to speak of.
        Err(Error::Cancelled) => {}
        Err(error) => {
            let kind = error.kind();
            metrics::histogram!(OPERATION_DURATION, OPERATION => "chat", MODEL => model, "error_type" => kind)
                .record(after);
        }
    }
}
