use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aether_llm::{ChatRequest, Client, Delta, Dialect, Message, Options};
use aether_supervisor::{Layout, Stack, free_port, part};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{megabytes, wrong};
use crate::Error;
use crate::bench::{Spread, ms, processes::resident, stand};

const PERSONA: &str = "You are a friendly voice agent. Answer in one or two short sentences, as they are spoken.";
/// What a conversation of some minutes leaves in a prompt.
const PAST: [(&str, &str); 6] = [
    ("Good morning.", "Good morning, it is nice to hear you. What can I do for you today?"),
    ("What is a good way to begin the day?", "Many people like a glass of water, some light and a short walk."),
    (
        "And what should I have for breakfast?",
        "Something simple that keeps you going, such as oats with fruit and nuts.",
    ),
    ("I would like to cycle to work.", "That is a fine idea. Leave ten minutes earlier than you think you need."),
    (
        "What do I need if it rains?",
        "A good jacket, a cover for your bag, and mudguards, which help more than anything.",
    ),
    ("How do I keep the chain from rusting?", "Wipe it dry after the ride and give it a little oil every other week."),
];
const QUESTION: &str = "Tell me in a few sentences why it is nice to live near the sea.";
const ANSWER: NonZeroU32 = NonZeroU32::new(64).unwrap();
const ROUNDS: usize = 5;

#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) model: String,
    /// That write; prompts are read with all cores.
    pub(super) threads: usize,
    pub(super) prompt_tokens: u32,
    pub(super) read_per_second: f64,
    pub(super) written_per_second: f64,
    /// With a prompt that nothing is known of. Milliseconds.
    pub(super) first_token_new: Spread,
    /// With all but the question read beforehand, as in a conversation. Milliseconds.
    pub(super) first_token_read_before: Spread,
    pub(super) memory_mb: f64,
}

pub(super) async fn measure(layout: &Layout, stack: &mut Stack, model: &str, weights: PathBuf) -> Result<Row, Error> {
    let port = free_port().map_err(Error::io("no port is free"))?;
    let llm = part::Llm::new(port, weights, model, layout.log("llm"));
    let threads = llm.threads;
    let llm = llm.component(layout)?;
    let endpoint = Url::parse(&format!("{}/v1", llm.url)).map_err(|error| wrong(&error))?;
    stack.start(vec![llm], |_, _| {}).await?;
    let client = Client::new(Options::new(endpoint, Dialect::OpenAi, model)).map_err(|error| wrong(&error))?;
    answer(&client, conversation(0), QUESTION).await?;

    let (mut new, mut read_before, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let cold = answer(&client, conversation(2 * round), QUESTION).await?;
        new.push(ms(cold.first));
        let past = conversation(2 * round + 1);
        client.prefill(past.clone()).await.map_err(|error| wrong(&error))?;
        let warm = answer(&client, past, QUESTION).await?;
        read_before.push(ms(warm.first));
        answers.extend([cold, warm]);
    }
    let written: u32 = answers.iter().map(|answer| answer.written - 1).sum();
    let writing: Duration = answers.iter().map(|answer| answer.rest).sum();
    let (first_token_new, first_token_read_before) = (Spread::of(new), Spread::of(read_before));
    let prompt_tokens = answers[0].prompt_tokens;
    let memory: u64 = stand::parts(stack).filter_map(|(_, pid)| resident(pid)).sum();
    Ok(Row {
        model: model.to_owned(),
        threads,
        prompt_tokens,
        read_per_second: f64::from(prompt_tokens) / (first_token_new.p50 / 1e3),
        written_per_second: f64::from(written) / writing.as_secs_f64(),
        first_token_new,
        first_token_read_before,
        memory_mb: megabytes(memory),
    })
}

/// Another one for each number, from its first words on: the server would find it in its cache otherwise.
fn conversation(number: usize) -> Vec<Message> {
    let persona = Message::system(format!("This is conversation {number}. {PERSONA}"));
    let past = PAST.iter().flat_map(|(said, answered)| [Message::user(*said), Message::assistant(*answered)]);
    std::iter::once(persona).chain(past).collect()
}

struct Answer {
    prompt_tokens: u32,
    written: u32,
    first: Duration,
    /// From the first token to the last.
    rest: Duration,
}

async fn answer(client: &Client, past: Vec<Message>, question: &str) -> Result<Answer, Error> {
    let messages = past.into_iter().chain([Message::user(question)]).collect();
    let request = ChatRequest { max_tokens: ANSWER, temperature: Some(0.0), ..ChatRequest::new(messages) };
    let began = Instant::now();
    let mut completion = client.chat(request, CancellationToken::new());
    let (mut first, mut last, mut usage) = (None, began, None);
    while let Some(delta) = completion.next().await {
        match delta.map_err(|error| wrong(&error))? {
            Delta::Text(_) => {
                last = Instant::now();
                first.get_or_insert(last);
            }
            Delta::Usage(counted) => usage = Some(counted),
            _ => {}
        }
    }
    let nothing = || Error::Input("the model wrote nothing, or its server counted nothing".to_owned());
    let (first, usage) = first.zip(usage).ok_or_else(nothing)?;
    let (prompt_tokens, written) = (usage.input_tokens, usage.output_tokens.max(1));
    Ok(Answer { prompt_tokens, written, first: first - began, rest: last - first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_conversations_begin_alike() {
        let begins = |number| conversation(number)[0].content.clone();
        assert_ne!(begins(1), begins(2));
        assert_eq!(conversation(1).len(), 1 + 2 * PAST.len());
    }
}
