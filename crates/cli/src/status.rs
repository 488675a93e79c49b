use std::time::Duration;

use aether_supervisor::Probe;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Context, Error, print,
    running::{Running, RunningPart},
};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Show what runs where, and how it is.
///
/// Asks every part now instead of trusting what was true at the start. Exits with 1 when something is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether status\n  aether status --json | jq '.parts[] | select(.well == false)'")]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How a part answered.
struct Answer {
    well: bool,
    says: String,
    health: Option<Value>,
}

/// What of a service's `/health` is told to a person.
#[derive(Deserialize)]
struct Health {
    ready: bool,
    #[serde(default)]
    waiting_for: Vec<String>,
    #[serde(default)]
    parts: Vec<HealthPart>,
}

#[derive(Deserialize)]
struct HealthPart {
    name: String,
    #[serde(default)]
    detail: String,
}

pub async fn run(context: &Context, arguments: &Arguments) -> Result<(), Error> {
    let Some(running) = Running::find(context.layout())? else {
        if arguments.json {
            print::line(&json!({ "up": false, "parts": [] }).to_string())?;
            return Err(Error::Told);
        }
        return Err(Error::NotUp);
    };
    let answers = futures::future::join_all(running.parts.iter().map(|part| ask(context, part))).await;
    let well = answers.iter().all(|answer| answer.well);
    if arguments.json {
        let parts: Vec<_> = running
            .parts
            .iter()
            .zip(&answers)
            .map(|(part, answer)| {
                json!({
                    "name": part.report.name, "url": part.url, "pid": part.report.pid, "started": part.started,
                    "state": part.report.state, "well": answer.well, "detail": answer.says, "health": answer.health,
                })
            })
            .collect();
        print::line(
            &json!({ "up": true, "well": well, "pid": running.pid, "started_at": running.started_at, "parts": parts })
                .to_string(),
        )?;
    } else {
        for (part, answer) in running.parts.iter().zip(&answers) {
            let who = part.report.pid.map_or_else(|| "not ours".to_owned(), |pid| format!("pid {pid}"));
            print::line(&format!("{:10} {:12} {:44} {}", part.report.name, who, part.url, answer.says))?;
        }
    }
    if well { Ok(()) } else { Err(Error::Told) }
}

async fn ask(context: &Context, part: &RunningPart) -> Answer {
    if part.report.state != "ready" && part.started {
        let detail = part.report.detail.as_deref().unwrap_or("");
        return Answer { well: false, says: format!("{} {detail}", part.report.state), health: None };
    }
    if part.service {
        return health(&part.url).await;
    }
    let given = |name: &str| context.variable(name).unwrap_or_else(|| part.url.clone());
    let probe = match part.report.name.as_str() {
        "nats" => Probe::Nats(given("NATS_URL")),
        "redis" => Probe::Redis(given("REDIS_URL")),
        "postgres" => Probe::Postgres(given("POSTGRES_URL")),
        "livekit" => Probe::Http(given("LIVEKIT_URL").replacen("ws", "http", 1)),
        _ => {
            let endpoint = given("LLM_ENDPOINT");
            return language_model(endpoint.trim_end_matches('/')).await;
        }
    };
    probe_answer(&probe).await
}

/// Each dialect has a question of its own, and only `aether up` knows for sure which one is spoken.
async fn language_model(endpoint: &str) -> Answer {
    let openai = probe_answer(&Probe::Http(format!("{endpoint}/models"))).await;
    if openai.well {
        return openai;
    }
    let ollama = probe_answer(&Probe::Http(format!("{endpoint}/api/version"))).await;
    if ollama.well { ollama } else { openai }
}

async fn probe_answer(probe: &Probe) -> Answer {
    match tokio::time::timeout(ANSWER_WITHIN, probe.check()).await {
        Ok(Ok(())) => Answer { well: true, says: "answers".to_owned(), health: None },
        Ok(Err(why)) => Answer { well: false, says: why, health: None },
        Err(_) => Answer { well: false, says: "does not answer".to_owned(), health: None },
    }
}

async fn health(url: &str) -> Answer {
    let ask = async {
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build()?;
        client.get(format!("{url}/health")).send().await?.error_for_status()?.json::<Value>().await
    };
    let value = match ask.await {
        Ok(value) => value,
        Err(error) => return Answer { well: false, says: format!("does not answer ({error})"), health: None },
    };
    let says = match serde_json::from_value::<Health>(value.clone()) {
        Ok(health) if health.ready => {
            let missing: Vec<_> = health.parts.iter().filter(|part| !part.detail.is_empty()).collect();
            let missing: Vec<_> = missing.iter().map(|part| format!("{}: {}", part.name, part.detail)).collect();
            if missing.is_empty() { "ready".to_owned() } else { format!("ready, but {}", missing.join("; ")) }
        }
        Ok(health) => format!("waits for {}", health.waiting_for.join(", ")),
        Err(_) => "answers with something that is not its health".to_owned(),
    };
    Answer { well: value["ready"] == json!(true), says, health: Some(value) }
}

/// Whether the service behind `url` has what it needs, and what it says.
pub async fn readiness(url: &str) -> (bool, String) {
    let answer = health(url).await;
    (answer.well, answer.says)
}
