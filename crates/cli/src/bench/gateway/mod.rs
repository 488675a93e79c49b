//! What the gateway and brain add to the language model's own time. [`stand`] starts them beside a model that answers by the
//! clock ([`ScriptedModel`]); here the questions are asked; [`report`] says what came of it.

pub(super) mod door;
mod report;

use std::time::{Duration, Instant};

use aether_supervisor::{Layout, Stack};
use futures::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    processes::Processor,
    scripted_model::{self, FIRST_TOKEN, ScriptedModel, Stamp, TOKEN},
    stand::{self, Program},
};
use crate::{Context, Error, sse::Events};
use door::Door;
use report::{Report, Row};

pub(super) const TOKENS: usize = 32;
/// How long one answer takes at least.
const ANSWER: Duration = FIRST_TOKEN.saturating_add(TOKEN.saturating_mul(TOKENS as u32 - 1));

/// No answer of the scripted model takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(20);
/// Enough for connections, prompt plans and caches to be as they are afterwards.
const WARM_UP_ROUNDS: u32 = 2;

/// Measure what the gateway and brain add to the language model's own time.
///
/// Starts a model that answers by the clock and, beside whatever runs, a gateway and a brain of its own with their
/// database and bus. Asks the model directly, then through the gateway as nobody in particular, then as a person whose
/// memories are looked up, in turns, so that all three meet the same machine. Each token says when it left the model.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether bench gateway\n  aether bench gateway --streams 20 --rounds 50 --json\n  \
    aether bench gateway --at-most 5                 exit with 1 where p99 adds more than 5 ms")]
pub struct Arguments {
    /// How many answers stream at once
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=200))]
    streams: u32,
    /// How often each way is measured
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Begin all at the same moment instead of one after the other within the time of one answer
    #[arg(long)]
    burst: bool,
    /// Fail where more milliseconds are added at p99, as nobody in particular
    #[arg(long, value_name = "MS")]
    at_most: Option<f64>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<(), Error> {
    let report = stand::run(context.layout(), async |layout, stack| measure(layout, stack, &arguments).await).await?;
    report.show(&arguments)
}

async fn measure(layout: &Layout, stack: &mut Stack, arguments: &Arguments) -> Result<Report, Error> {
    let epoch = Instant::now();
    let model = ScriptedModel::start(epoch, scripted_model::Answer::Stamps(TOKENS)).await;
    let model = model.map_err(Error::io("the scripted model can't listen"))?;
    let program = |name, file| Program { name, file, environment: Vec::new() };
    let programs = [program("gateway", "aether-gateway"), program("brain", "aether-brain")];
    let stand = stand::start(layout, stack, &model.endpoint, &programs, false).await?;
    stand.ready().await?;
    let gateway = &stand.services[0];
    let client = Client::builder()
        .no_proxy()
        // As brain asks its model: with a connection of its own.
        .pool_max_idle_per_host(0)
        .tcp_nodelay(true)
        .timeout(PATIENCE)
        .build()
        .map_err(|error| Error::Input(error.to_string()))?;
    let door = Door { client: &client, gateway, admin: door::admin(&stand.secrets.identity_secret)? };
    let anybody = door.key(None).await?;
    let somebody = door.key(Some("ada")).await?;
    let ways = [
        Way {
            key: "direct",
            name: "the model directly",
            url: format!("{}/chat/completions", model.endpoint),
            bearer: None,
        },
        Way {
            key: "gateway",
            name: "through the gateway",
            url: format!("{gateway}/v1/chat/completions"),
            bearer: Some(anybody),
        },
        Way {
            key: "gateway_person",
            name: "the same, with a person's memories",
            url: format!("{gateway}/v1/chat/completions"),
            bearer: Some(somebody),
        },
    ];
    let mut figures: Vec<Figures> = ways.iter().map(|_| Figures::default()).collect();
    for round in 0..WARM_UP_ROUNDS + arguments.rounds {
        for (way, figures) in ways.iter().zip(&mut figures) {
            let before = Processor::now(stand::parts(stack));
            let apart = if arguments.burst { Duration::ZERO } else { ANSWER / arguments.streams };
            let asked = (0..arguments.streams).map(|stream| {
                let (client, words) = (&client, words(round, stream));
                async move {
                    sleep(apart * stream).await;
                    ask(client, way, epoch, &words).await
                }
            });
            for answer in join_all(asked).await {
                let answer = answer?;
                if round >= WARM_UP_ROUNDS {
                    figures.first.push(answer.first);
                    figures.tokens.extend(answer.tokens);
                }
            }
            if round >= WARM_UP_ROUNDS {
                figures.processor.add(&before, &Processor::now(stand::parts(stack)));
            }
        }
        if !arguments.json {
            eprint!("\rround {} of {}", (round + 1).saturating_sub(WARM_UP_ROUNDS), arguments.rounds);
        }
    }
    if !arguments.json {
        eprintln!();
    }
    let ways = ways.into_iter().zip(figures).map(|(way, figures)| Row::of(&way, figures)).collect();
    Ok(Report { ways, requests: arguments.rounds * arguments.streams })
}

/// One way to ask the model.
pub(super) struct Way {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) url: String,
    pub(super) bearer: Option<String>,
}

/// How long things took beyond what the model took.
pub(super) struct Answer {
    pub(super) first: Duration,
    tokens: Vec<Duration>,
}

/// No two questions are the same, so that nothing can be answered from memory.
fn words(round: u32, stream: u32) -> String {
    format!("Tell me about the river with number {round} on journey {stream}.")
}

pub(super) async fn ask(client: &Client, way: &Way, epoch: Instant, words: &str) -> Result<Answer, Error> {
    let failed = |what: String| Error::Input(format!("{}: {what}", way.name));
    let model = if way.bearer.is_some() { "aether" } else { "scripted" };
    let body = json!({
        "model": model, "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": words }],
    });
    let mut request = client.post(&way.url).json(&body);
    if let Some(bearer) = &way.bearer {
        request = request.bearer_auth(bearer);
    }
    let asked = Instant::now();
    let mut response = request.send().await.map_err(|error| failed(error.to_string()))?;
    if !response.status().is_success() {
        let status = response.status();
        return Err(failed(format!("{status}: {}", response.text().await.unwrap_or_default())));
    }
    let (mut events, mut text) = (Events::default(), String::new());
    let (mut first, mut tokens) = (None, Vec::new());
    'answer: while let Some(bytes) = response.chunk().await.map_err(|error| failed(error.to_string()))? {
        let now = Instant::now();
        events.push(&bytes).map_err(|error| failed(error.to_string()))?;
        while let Some(data) = events.next() {
            if data == "[DONE]" {
                break 'answer;
            }
            let event: Value = serde_json::from_str(&data).map_err(|error| failed(error.to_string()))?;
            if let Some(error) = event.get("error").filter(|error| !error.is_null()) {
                return Err(failed(error["message"].to_string()));
            }
            text.push_str(event["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
        }
        // A token is whole when the space behind it is there.
        while let Some((word, rest)) = text.split_once(' ') {
            if let Some(stamp) = Stamp::read(word.trim()) {
                tokens.push((now - epoch).saturating_sub(stamp.left));
                if let Some(thought) = stamp.thought {
                    first = Some((now - asked).saturating_sub(thought));
                }
            }
            text = rest.to_owned();
        }
    }
    // The space behind the last one may be taken for the end of the text and left out.
    match first {
        Some(first) if tokens.len() + 1 >= TOKENS => Ok(Answer { first, tokens }),
        _ => Err(failed(format!("{} of {TOKENS} tokens arrived", tokens.len()))),
    }
}

#[derive(Default)]
struct Figures {
    first: Vec<Duration>,
    tokens: Vec<Duration>,
    processor: Processor,
}
