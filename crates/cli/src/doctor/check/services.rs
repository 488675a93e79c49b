//! Aether's own services, as their `/health` tells it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::doctor::Section::Services;
use crate::doctor::{Finding, Surroundings};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Longer ones are no health reports of ours.
const MOST_BYTES: usize = 256 << 10;

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    let Some(running) = &around.running else {
        let text = "Aether does not run from this folder; `aether up` starts it";
        return vec![Services.skipped("all", text)];
    };
    let services = running.parts.iter().filter(|part| part.service);
    let asked = services.map(|part| async {
        let name = &part.report.name;
        let log = around.context.layout().log(name).display().to_string();
        if part.report.state != "ready" {
            let found = format!("{} {}", part.report.state, part.report.detail.as_deref().unwrap_or_default());
            return Services.problem(name, found, format!("look at {log}"));
        }
        match health(&part.url).await {
            Ok(report) => judge(name, &report, &log),
            Err(why) => Services.problem(name, why, format!("look at {log}")),
        }
    });
    futures::future::join_all(asked).await
}

/// What a service says about itself.
pub async fn health(url: &str) -> Result<Value, String> {
    let client =
        reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().map_err(|error| error.to_string())?;
    let mut answer = client.get(format!("{url}/health")).send().await.map_err(|error| {
        if error.is_timeout() { "does not answer within 3 s".to_owned() } else { format!("nothing answers at {url}") }
    })?;
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|_| "hung up".to_owned())? {
        body.extend_from_slice(&piece);
        if body.len() > MOST_BYTES {
            return Err("answers with something that is not its health".to_owned());
        }
    }
    serde_json::from_slice(&body).map_err(|_| "answers with something that is not its health".to_owned())
}

fn judge(name: &str, report: &Value, log: &str) -> Finding {
    let parts = report["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let details: Vec<_> = parts
        .iter()
        // What a part that is well is busy with is nothing to mend.
        .filter(|part| part["state"] != "up")
        .filter_map(|part| {
            let detail = part["detail"].as_str().filter(|detail| !detail.is_empty())?;
            Some(format!("{}: {detail}", part["name"].as_str().unwrap_or("a part")))
        })
        .collect();
    match (report["ready"].as_bool(), details.is_empty()) {
        (Some(true), true) => Services.ok(name, "ready"),
        (Some(true), false) => Services.warning(
            name,
            format!("ready, but {}", details.join("; ")),
            format!("look at that part, or at {log}"),
        ),
        (Some(false), _) => {
            let waits: Vec<_> =
                report["waiting_for"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let why = if details.is_empty() { String::new() } else { format!(" ({})", details.join("; ")) };
            Services.problem(
                name,
                format!("waits for {}{why}", waits.join(", ")),
                format!("look at that part, or at {log}"),
            )
        }
        (None, _) => {
            Services.problem(name, "answers with something that is not its health", "another program has its port")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Status;

    #[test]
    fn a_service_is_as_well_as_it_says() {
        let part = |detail: &str| json!([{ "name": "llm", "state": "down", "detail": detail }]);
        let busy = json!([{ "name": "jobs", "state": "up", "detail": "2 are being done here" }]);
        for (report, status, found) in [
            (json!({ "ready": true, "parts": part("") }), Status::Ok, "ready"),
            (json!({ "ready": true, "parts": busy }), Status::Ok, "ready"),
            (json!({ "ready": true, "parts": part("away") }), Status::Warning, "ready, but llm: away"),
            (
                json!({ "ready": false, "waiting_for": ["llm"], "parts": part("away") }),
                Status::Problem,
                "waits for llm (llm: away)",
            ),
            (json!([]), Status::Problem, "answers with something that is not its health"),
        ] {
            let finding = judge("brain", &report, "brain.log");
            assert_eq!((finding.status, finding.found.as_str()), (status, found));
        }
    }
}
