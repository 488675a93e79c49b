//! Both dialects against the real servers, with a real (small) model.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use aether_llm::{
    ChatRequest, Client, Completion, Deadlines, Delta, Dialect, Error, FinishReason, Message, Options, ToolCalls,
    ToolSpec, Usage,
};
use aether_testkit as testkit;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// A model takes all cores that it can get: several at once would only meet their deadlines.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

fn client(endpoint: &str, dialect: Dialect, model: &str) -> Client {
    let second = Duration::from_secs(1);
    let deadlines = Deadlines { connect: 5 * second, first_token: 90 * second, idle: 60 * second, total: 180 * second };
    Client::new(Options { deadlines, ..Options::new(endpoint.parse().unwrap(), dialect, model) }).unwrap()
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
    calls: ToolCalls,
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
            Delta::ToolCall(piece) => answer.calls.push(piece),
            Delta::MalformedCall(text) => answer.text.push_str(&text),
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
    let facts = (0..40).map(|n| format!("Room {n} holds {} chairs.", n * 7 % 13)).collect::<Vec<_>>().join(" ");
    vec![Message::system(format!("You are a caretaker. {facts}"))]
}

/// How long the first token took, and how much of the prompt the server had in its cache.
async fn first_token(client: &Client, messages: Vec<Message>) -> (Duration, Option<u32>) {
    let started = Instant::now();
    let request =
        ChatRequest { temperature: Some(0.0), max_tokens: NonZeroU32::new(2).unwrap(), ..ChatRequest::new(messages) };
    let mut completion = client.chat(request, CancellationToken::new());
    completion.next().await.unwrap().unwrap();
    let took = started.elapsed();
    (took, read(completion).await.unwrap().usage.unwrap().cached_input_tokens)
}

async fn prefilled_prompts_start_sooner(client: &Client) {
    let mut messages = long_prompt();
    messages.push(Message::user("How many chairs does room four have?"));
    let (cold, _) = first_token(client, messages).await;
    // Another beginning, so that nothing of the first prompt helps by accident.
    let mut messages = long_prompt();
    messages[0].content.insert_str(0, "Never mind the weather. ");
    messages.push(Message::user("How many rooms"));
    client.prefill(messages.clone()).await.unwrap();
    messages[1] = Message::user("How many rooms are there in this house, all in all?");
    let (warm, cached) = first_token(client, messages).await;
    println!("first token: cold {} ms, prefilled {} ms, cached {cached:?}", cold.as_millis(), warm.as_millis());
    // The server's own count, where it gives one, says more than a clock on a busy machine.
    assert!(cached.map_or(warm < cold, |cached| cached > 300), "cold {cold:?}, prefilled {warm:?}, cached {cached:?}");
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
    let _alone = ONE_AT_A_TIME.lock().await;
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
async fn a_small_model_that_writes_its_call_into_the_text_is_understood() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let llm = testkit::llm_with("qwen2.5-coder-0.5b-instruct-q4_k_m").await;
    let client = client(&llm.url, Dialect::OpenAi, &llm.model);
    let place = serde_json::json!({ "type": "string", "description": "The name of a town." });
    let weather = ToolSpec {
        name: "get_weather".into(),
        description: "The weather of a town.".into(),
        parameters: serde_json::json!({ "type": "object", "properties": { "place": place }, "required": ["place"] }),
    };
    let request = ChatRequest { tools: vec![weather], ..question("What is the weather in Rome?") };
    let answer = ask(&client, request).await;
    assert_eq!((answer.text.as_str(), answer.finish), ("", Some(FinishReason::ToolCalls)));
    let calls = answer.calls.finish();
    assert_eq!(calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["get_weather"]);
    let arguments: serde_json::Value = serde_json::from_str(&calls[0].arguments).unwrap();
    assert!(arguments["place"].as_str().unwrap().contains("Rome"), "{calls:?}");
    assert!(answer.usage.is_some_and(|usage| usage.output_tokens > 5));
}

#[tokio::test]
async fn half_a_sentence_is_told_from_a_whole_one() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let llm = testkit::llm_with("qwen2.5-coder-0.5b-instruct-q4_k_m").await;
    let client = client(&llm.url, Dialect::OpenAi, &llm.model);
    let ends = async |words: &str| client.sentence_ends(words).await.unwrap().unwrap();
    for (half, whole) in [
        ("I need to buy milk and", "I need to buy milk and eggs and bread for breakfast."),
        ("that the forms of printed letters should.", "What is the weather like in Paris today?"),
        ("If it rains tomorrow", "If it rains tomorrow I will stay at home"),
        ("The book that you gave me.", "I like tea more than coffee."),
    ] {
        let (half_ends, whole_ends) = (ends(half).await, ends(whole).await);
        println!("{half_ends:.4} {half}\n{whole_ends:.4} {whole}");
        assert!(half_ends < 0.05 && whole_ends > 0.2, "{half}: {half_ends}; {whole}: {whole_ends}");
    }
}

#[tokio::test]
async fn ollama_speaks_its_own_dialect() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let ollama = testkit::ollama().await;
    let client = client(&ollama.url, Dialect::Ollama, &ollama.model);
    assert_eq!(client.models().await.unwrap(), [format!("{}:latest", ollama.model)]);
    assert_eq!(client.sentence_ends("It is").await.unwrap(), None, "it tells no candidates");
    answers_streams_and_stops(&client).await;
    prefilled_prompts_start_sooner(&client).await;

    a_dropped_answer_leaves_the_server_free(&client).await;
    // It answers one request at a time, so this one is answered in time only if the endless ones have stopped: they would go
    // on for 1,500 tokens each.
    let short = ChatRequest { max_tokens: NonZeroU32::new(2).unwrap(), ..question("Hello?") };
    let started = Instant::now();
    ask(&client, short).await;
    println!("free again after {} ms", started.elapsed().as_millis());
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[tokio::test]
async fn ollama_names_a_model_that_it_does_not_have() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let ollama = testkit::ollama().await;
    let client = client(&ollama.url, Dialect::Ollama, "no-such-model");
    let refused = read(client.chat(question("Hello?"), CancellationToken::new())).await;
    let Err(Error::Refused { status: 404, message }) = refused else { panic!("not refused: {refused:?}") };
    assert!(message.contains("no-such-model"), "{message}");
}

#[tokio::test]
async fn a_prompt_beyond_the_context_is_refused_with_the_servers_reason() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let llm = testkit::llm().await;
    let client = client(&llm.url, Dialect::OpenAi, &llm.model);
    let refused = read(client.chat(question(&"word ".repeat(9000)), CancellationToken::new())).await;
    let Err(Error::Refused { status: 400, message }) = refused else { panic!("not refused: {refused:?}") };
    assert!(message.contains("context"), "{message}");
}

#[tokio::test]
async fn a_killed_server_is_an_error_and_its_return_is_noticed() {
    let _alone = ONE_AT_A_TIME.lock().await;
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
