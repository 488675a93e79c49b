//! Both dialects against the real servers, with a real (small) model.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use aether_llm::{ChatRequest, Client, Completion, Delta, Dialect, Error, FinishReason, Message, Options, Usage};
use aether_testkit as testkit;
use tokio_util::sync::CancellationToken;

fn client(endpoint: &str, dialect: Dialect, model: &str) -> Client {
    Client::new(Options::new(endpoint.parse().unwrap(), dialect, model)).unwrap()
}

fn question(text: &str) -> ChatRequest {
    ChatRequest {
        temperature: Some(0.0),
        seed: Some(1),
        ..ChatRequest::new(vec![Message::system("You answer in one short sentence."), Message::user(text)])
    }
}

#[derive(Debug, Default)]
struct Answer {
    text: String,
    deltas: usize,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
}

async fn read(mut completion: Completion) -> Result<Answer, Error> {
    let mut answer = Answer::default();
    while let Some(delta) = completion.next().await {
        match delta? {
            Delta::Text(text) => {
                answer.text.push_str(&text);
                answer.deltas += 1;
            }
            Delta::Thinking(_) => {}
            Delta::Usage(usage) => answer.usage = Some(usage),
            Delta::Done(reason) => answer.finish = Some(reason),
        }
    }
    Ok(answer)
}

async fn ask(client: &Client, request: ChatRequest) -> Answer {
    read(client.chat(request, CancellationToken::new())).await.unwrap()
}

/// What every server must do, whatever its dialect.
async fn answers_streams_and_stops(client: &Client) {
    let answer = ask(client, question("What is the capital of France?")).await;
    assert!(answer.text.contains("Paris"), "{answer:?}");
    assert!(answer.deltas > 1, "the answer came in one piece: {answer:?}");
    assert_eq!(answer.finish, Some(FinishReason::Stop));
    let usage = answer.usage.expect("the server reports what it counted");
    assert!(usage.input_tokens > 10 && usage.output_tokens > 1, "{usage:?}");

    let limited = ChatRequest { max_tokens: NonZeroU32::new(3).unwrap(), ..question("Count from one to a hundred.") };
    let limited = ask(client, limited).await;
    assert_eq!(limited.finish, Some(FinishReason::Length), "{limited:?}");
    assert!(limited.usage.is_some_and(|usage| usage.output_tokens == 3));

    let stopped = ChatRequest { stop: vec!["Paris".into()], ..question("What is the capital of France?") };
    let stopped = ask(client, stopped).await;
    assert!(!stopped.text.contains("Paris"), "{stopped:?}");
}

/// A prompt long enough that reading it takes a while.
fn long_prompt() -> Vec<Message> {
    let facts = (0..60).map(|n| format!("Room {n} holds {} chairs.", n * 7 % 13)).collect::<Vec<_>>().join(" ");
    vec![Message::system(format!("You are a caretaker. {facts}"))]
}

async fn time_to_first_token(client: &Client, messages: Vec<Message>) -> Duration {
    let started = Instant::now();
    let request = ChatRequest { temperature: Some(0.0), ..ChatRequest::new(messages) };
    let mut completion = client.chat(request, CancellationToken::new());
    completion.next().await.unwrap().unwrap();
    started.elapsed()
}

async fn prefilled_prompts_start_sooner(client: &Client) {
    let ask = |text: &str| {
        let mut messages = long_prompt();
        messages.push(Message::user(text));
        messages
    };
    let cold = time_to_first_token(client, ask("How many chairs does room four have?")).await;
    // Another conversation in between, so that nothing of the first is left where it would help by accident.
    let mut other = long_prompt();
    other[0].content.insert_str(0, "Never mind the weather. ");
    client.prefill(vec![other[0].clone(), Message::user("How many rooms")]).await.unwrap();
    other.push(Message::user("How many rooms are there in this house, all in all?"));
    let warm = time_to_first_token(client, other).await;
    println!("first token: cold {} ms, prefilled {} ms", cold.as_millis(), warm.as_millis());
    assert!(warm < cold / 2, "cold {cold:?}, prefilled {warm:?}");
}

async fn a_dropped_answer_leaves_the_server_free(client: &Client) {
    for cancel_by_token in [true, false] {
        let cancel = CancellationToken::new();
        let endless = ChatRequest {
            max_tokens: NonZeroU32::new(1500).unwrap(),
            temperature: Some(1.0),
            ..ChatRequest::new(vec![Message::user("Write a very long story about the sea. Never stop writing.")])
        };
        let mut completion = client.chat(endless, cancel.clone());
        assert!(matches!(completion.next().await, Some(Ok(Delta::Text(_)))));
        if cancel_by_token {
            cancel.cancel();
            assert!(matches!(read(completion).await, Err(Error::Cancelled)));
        } else {
            drop(completion);
        }
    }
}

#[tokio::test]
async fn llama_cpp_speaks_the_openai_dialect() {
    let llm = testkit::llm().await;
    let client = client(&llm.url, Dialect::OpenAi, &llm.model);
    assert_eq!(client.models().await.unwrap(), std::slice::from_ref(&llm.model));
    answers_streams_and_stops(&client).await;
    prefilled_prompts_start_sooner(&client).await;

    a_dropped_answer_leaves_the_server_free(&client).await;
    let slots = reqwest::Url::parse(&llm.url).unwrap().join("/slots").unwrap();
    testkit::eventually("no slot of the server is generating", 5, || async {
        let slots: serde_json::Value = reqwest::get(slots.clone()).await.unwrap().json().await.unwrap();
        slots.as_array().unwrap().iter().all(|slot| slot["is_processing"] == false)
    })
    .await;
}

#[tokio::test]
async fn a_prompt_beyond_the_context_is_refused_with_the_servers_reason() {
    let llm = testkit::llm().await;
    let client = client(&llm.url, Dialect::OpenAi, &llm.model);
    let refused = read(client.chat(question(&"word ".repeat(9000)), CancellationToken::new())).await;
    let Err(Error::Refused { status: 400, message }) = refused else { panic!("not refused: {refused:?}") };
    assert!(message.contains("context"), "{message}");
}

#[tokio::test]
async fn a_killed_server_is_an_error_and_its_return_is_noticed() {
    let mut llm = testkit::llm().await;
    let client = client(&llm.url, Dialect::OpenAi, &llm.model);
    let endless = ChatRequest { max_tokens: NonZeroU32::new(1500).unwrap(), ..question("Write a very long story.") };
    let mut completion = client.chat(endless, CancellationToken::new());
    completion.next().await.unwrap().unwrap();
    llm.kill().await;
    let end = read(completion).await;
    assert!(matches!(end, Err(Error::Connection(_) | Error::Parse(_))), "{end:?}");
    let away = read(client.chat(question("Are you there?"), CancellationToken::new())).await;
    assert!(matches!(away, Err(Error::Connect { .. })), "{away:?}");

    llm.restart().await;
    assert!(!ask(&client, question("What is the capital of France?")).await.text.is_empty());
}
