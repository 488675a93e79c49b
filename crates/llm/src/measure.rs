//! What is measured of every answer, under the labels that `aether_telemetry::metric` documents.

use std::time::Duration;

use aether_telemetry::metric::{OPERATION_DURATION, TIME_TO_FIRST_TOKEN, TOKEN_USAGE};

use crate::{Error, Usage};

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
