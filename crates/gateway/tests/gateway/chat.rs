//! Typed turns as an OpenAI client meets them, and what is kept of them.

use std::time::Duration;

use aether_bus::Subscription;
use aether_gateway as _;
use aether_identity::Scopes;
use aether_proto::turn_log_entry::Step;
use aether_proto::{ClientEvent, ErrorCode, SessionId, ToolCall, TurnLogEntry, client_event};
use aether_testkit::eventually;
use insta::assert_snapshot;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, Line, answer, tenant_id};

fn hello() -> Value {
    json!({ "model": "aether", "messages": [{ "role": "user", "content": "Hello" }] })
}

fn streamed(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

fn greeting() -> Vec<Line> {
    vec![Line::Text("Hello"), Line::Text(", Ada!"), Line::Usage(12, 4), Line::Done("stop")]
}

/// Ids and times are others each time.
fn without_ids(text: &str) -> String {
    let mut shown = String::new();
    for line in text.lines() {
        let Some(json) = line.strip_prefix("data: {") else {
            shown.push_str(line);
            shown.push('\n');
            continue;
        };
        let fields: Vec<String> = format!("{{{json}").split(',').map(hide).collect();
        shown.push_str("data: ");
        shown.push_str(&fields.join(","));
        shown.push('\n');
    }
    shown
}

fn hide(field: &str) -> String {
    match field {
        id if id.starts_with("{\"id\":\"chatcmpl-") => "{\"id\":\"chatcmpl-…\"".to_owned(),
        created if created.starts_with("\"created\":1") => "\"created\":…".to_owned(),
        other => other.to_owned(),
    }
}

async fn text_of(request: reqwest::RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.text().await.unwrap()
}

/// The steps of a turn as they were written, up to its end.
async fn steps(log: &mut Subscription<TurnLogEntry>) -> Vec<(u32, Step)> {
    let mut steps = Vec::new();
    loop {
        let entry = tokio::time::timeout(Duration::from_secs(5), log.next()).await.unwrap().unwrap().unwrap().message;
        let step = entry.step.unwrap();
        let is_last = matches!(step, Step::Ended(_));
        steps.push((entry.sequence, step));
        if is_last {
            return steps;
        }
    }
}

fn written(steps: &[(u32, Step)]) -> Vec<String> {
    let mut text = String::new();
    let mut shown = Vec::new();
    for (_, step) in steps {
        match step {
            Step::UserCommitted(said) => {
                shown.push(format!("{}/{} by {}: {}", said.person_id, said.person_name, said.modality, said.text));
            }
            Step::AnswerChunk(chunk) => text.push_str(&chunk.text),
            Step::Heard(heard) => shown.push(format!("{text} ({} bytes)", heard.text_bytes)),
            Step::Ended(ended) => shown.push(ended.reason.clone()),
        }
    }
    shown
}

async fn shown(events: &mut Subscription<ClientEvent>) -> Vec<String> {
    let mut all = Vec::new();
    let mut text = String::new();
    loop {
        let event =
            tokio::time::timeout(Duration::from_secs(5), events.next()).await.unwrap().unwrap().unwrap().message;
        assert_eq!((event.people, event.room.as_str()), (vec!["ada".to_owned()], ""));
        match event.event.unwrap() {
            client_event::Event::Transcript(said) => {
                assert!(said.r#final && said.modality == "text");
                all.push(format!("{} {}: {}", said.speaker, said.speaker_name, said.text));
            }
            client_event::Event::TextChunk(chunk) => text.push_str(&chunk.text),
            client_event::Event::StreamEnd(end) => {
                all.extend([text, end.reason]);
                return all;
            }
            other => all.push(format!("{other:?}")),
        }
    }
}

#[tokio::test]
async fn a_stream_is_openais_to_the_letter() {
    let desk = Desk::open().await;
    let _brain = desk.brain(|_| greeting()).await;
    let key = desk.key("acme", Some("ada"), "chat").await;
    let plain = text_of(desk.completions(&key, &streamed(hello()))).await;
    assert_snapshot!(without_ids(&plain), @r#"
    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"content":", Ada!"},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}

    data: [DONE]
    "#);
    let mut body = streamed(hello());
    body["stream_options"] = json!({ "include_usage": true });
    let with_usage = text_of(desk.completions(&key, &body)).await;
    assert_snapshot!(without_ids(&with_usage), @r#"
    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"content":", Ada!"},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":4,"total_tokens":16}}

    data: [DONE]
    "#);
}

#[tokio::test]
async fn a_whole_answer_is_openais_to_the_letter() {
    let desk = Desk::open().await;
    let brain = desk.brain(|_| greeting()).await;
    let key = desk.key("acme", Some("ada"), "chat").await;
    let response = desk.completions(&key, &hello()).send().await.unwrap();
    let conversation: SessionId = response.headers()["x-conversation-id"].to_str().unwrap().parse().unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = response.text().await.unwrap();
    assert_snapshot!(without_ids(&format!("data: {body}")), @r#"data: {"id":"chatcmpl-…","object":"chat.completion","created":…,"model":"aether","choices":[{"index":0,"message":{"role":"assistant","content":"Hello, Ada!","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":4,"total_tokens":16}}"#);
    let open = &brain.opens()[0];
    assert_eq!((open.session_id.parse(), open.person_id.as_str()), (Ok(conversation), "ada"));
    assert_eq!(open.conversation.as_ref().unwrap().messages[0].content, "Hello");
    assert_eq!(brain.commits()[0].text, "Hello");
}

fn call(index: u32, id: &str, name: &str, arguments: &str) -> Line {
    Line::Call(ToolCall { index, id: id.into(), name: name.into(), arguments: arguments.into() })
}

#[tokio::test]
async fn a_tool_loop_is_one_turn() {
    let desk = Desk::open().await;
    let brain = desk
        .brain(|open| match open.generation {
            0 => vec![
                call(0, "call_1", "weather", ""),
                call(0, "", "", "{\"city\":"),
                call(0, "", "", "\"Rome\"}"),
                call(1, "call_2", "time", "{}"),
                Line::Usage(20, 9),
                Line::Done("tool_calls"),
            ],
            _ => vec![Line::Text("Sunny."), Line::Usage(40, 2), Line::Done("stop")],
        })
        .await;
    let mut log = desk.turn_log().await;
    let key = desk.key("acme", Some("ada"), "chat").await;
    let mut body = hello();
    let tool =
        |name: &str| json!({ "type": "function", "function": { "name": name, "parameters": { "type": "object" } } });
    body["tools"] = json!([tool("weather"), tool("time")]);
    assert_snapshot!(without_ids(&text_of(desk.completions(&key, &streamed(body.clone()))).await), @r#"
    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"weather","arguments":""}}]},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Rome\"}"}}]},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"time","arguments":"{}"}}]},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}]}

    data: [DONE]
    "#);
    steps(&mut log).await;

    let (status, whole) = answer(desk.completions(&key, &body)).await;
    assert_eq!((status, &whole["choices"][0]["finish_reason"]), (StatusCode::OK, &json!("tool_calls")));
    let message = whole["choices"][0]["message"].clone();
    assert_eq!(message["content"], Value::Null);
    assert_eq!(message["tool_calls"][0]["function"]["arguments"], "{\"city\":\"Rome\"}");
    let first = steps(&mut log).await;
    assert_eq!(written(&first), ["ada/ by text: Hello", " (0 bytes)", "completed"]);

    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(message);
    for (id, result) in [("call_1", "sunny"), ("call_2", "noon")] {
        messages.push(json!({ "role": "tool", "tool_call_id": id, "content": result }));
    }
    let (status, last) = answer(desk.completions(&key, &body)).await;
    assert_eq!((status, &last["choices"][0]["message"]["content"]), (StatusCode::OK, &json!("Sunny.")));
    // The same turn, whose words are not written twice.
    let second = steps(&mut log).await;
    assert_eq!(written(&second), ["Sunny. (6 bytes)", "completed"]);
    assert!(second[0].0 > first.last().unwrap().0);
    let opens = brain.opens();
    assert_eq!((&opens[2].turn_id, &opens[2].session_id), (&opens[1].turn_id, &opens[1].session_id));
    assert_ne!(opens[0].turn_id, opens[1].turn_id);
    assert_eq!(opens[2].conversation.as_ref().unwrap().messages.len(), 4);
}

#[tokio::test]
async fn a_turn_is_written_down_and_shown_to_its_person() {
    let desk = Desk::open().await;
    let brain = desk.brain(|_| greeting()).await;
    let key = desk.key("acme", Some("ada"), "chat").await;
    let (status, _) = desk.send(reqwest::Method::PATCH, "/v1/me", &key, Some(json!({ "name": "Ada" }))).await;
    assert_eq!(status, StatusCode::OK);
    let (mut log, mut events) = (desk.turn_log().await, desk.events().await);
    let (status, _) = answer(desk.completions(&key, &hello())).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(written(&steps(&mut log).await), ["ada/Ada by text: Hello", "Hello, Ada! (11 bytes)", "completed"]);
    assert_eq!(shown(&mut events).await, ["ada Ada: Hello", "Hello, Ada!", "completed"]);

    // Nothing of the next but one: the one after it is what comes.
    let request = desk.completions(&key, &hello()).header("X-Off-The-Record", "true");
    assert_eq!(answer(request).await.0, StatusCode::OK);
    let mut other = hello();
    other["messages"][0]["content"] = json!("On the record");
    assert_eq!(answer(desk.completions(&key, &other)).await.0, StatusCode::OK);
    assert_eq!(written(&steps(&mut log).await)[0], "ada/Ada by text: On the record");
    assert_eq!(shown(&mut events).await[0], "ada Ada: On the record");
    assert!(brain.opens()[1].off_the_record && !brain.opens()[2].off_the_record);
    let (status, body) = answer(desk.completions(&key, &hello()).header("X-Off-The-Record", "yes please")).await;
    assert_eq!((status, &body["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("X-Off-The-Record")));
}

#[tokio::test]
async fn a_key_of_nobody_speaks_for_whom_it_names_or_for_nobody() {
    let desk = Desk::open().await;
    let brain = desk.brain(|_| greeting()).await;
    let key = desk.key("acme", None, "chat").await;
    let (mut log, mut events) = (desk.turn_log().await, desk.events().await);
    assert_eq!(answer(desk.completions(&key, &hello())).await.0, StatusCode::OK);
    assert_eq!(written(&steps(&mut log).await)[0], "/ by text: Hello");
    let mut body = hello();
    body["user"] = json!("ada");
    assert_eq!(answer(desk.completions(&key, &body)).await.0, StatusCode::OK);
    assert_eq!(written(&steps(&mut log).await)[0], "ada/ by text: Hello");
    // The first to be shown: of nobody's turn nobody is told.
    assert_eq!(shown(&mut events).await[0], "ada : Hello");
    // Whoever is somebody stays it.
    let bens = desk.key("acme", Some("ben"), "chat").await;
    assert_eq!(answer(desk.completions(&bens, &body)).await.0, StatusCode::OK);
    let people: Vec<String> = brain.opens().into_iter().map(|open| open.person_id).collect();
    assert_eq!(people, ["", "ada", "ben"]);
}

#[tokio::test]
async fn words_are_safe_before_brain_thinks() {
    let mut desk = Desk::open().await;
    let brain = desk.brain(|_| vec![Line::Hang]).await;
    let mut log = desk.turn_log().await;
    let key = desk.key("acme", Some("ada"), "chat").await;
    let request = tokio::spawn(desk.completions(&key, &hello()).send());
    eventually("brain was asked", 5, || async { !brain.opens().is_empty() }).await;
    // It is in the log already: nobody had to wait for the answer.
    let entry = tokio::time::timeout(Duration::from_secs(5), log.next()).await.unwrap().unwrap().unwrap().message;
    assert!(matches!(entry.step, Some(Step::UserCommitted(_))));
    desk.nats.kill().await;
    let response = request.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["type"], "server_error");
}

#[tokio::test]
async fn who_hangs_up_ends_the_work() {
    let desk = Desk::open().await;
    let brain = desk.brain(|_| vec![Line::Text("Once upon a time"), Line::Hang]).await;
    let mut log = desk.turn_log().await;
    let key = desk.key("acme", Some("ada"), "chat").await;
    let mut response = desk.completions(&key, &streamed(hello())).send().await.unwrap();
    let mut read = String::new();
    while !read.contains("Once upon") {
        read.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert_eq!(brain.cancelled(), 0);
    drop(response);
    eventually("the stream's work has ended", 5, || async { brain.cancelled() == 1 }).await;
    let written_of_stream = written(&steps(&mut log).await);
    assert_eq!(written_of_stream, ["ada/ by text: Hello", "Once upon a time (16 bytes)", "interrupted"]);

    let waiting = tokio::spawn(desk.completions(&key, &hello()).send());
    eventually("brain was asked again", 5, || async { brain.opens().len() == 2 }).await;
    waiting.abort();
    eventually("the waiting one's work has ended", 5, || async { brain.cancelled() == 2 }).await;
    assert_eq!(written(&steps(&mut log).await).last().unwrap(), "interrupted");
}

#[tokio::test]
async fn what_fails_has_a_status_as_long_as_there_is_one() {
    let desk = Desk::open_with(|options| options.first_word = Duration::from_millis(500)).await;
    let key = desk.key("acme", Some("ada"), "chat").await;
    let (status, body) = answer(desk.completions(&key, &streamed(hello()))).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));

    let brain = desk
        .brain(|open| {
            let words = &open.conversation.as_ref().unwrap().messages[0].content;
            match words.as_str() {
                "at once" => vec![Line::Fail(ErrorCode::LlmUnavailable.error("the model is away"))],
                "busy" => {
                    let busy = ErrorCode::Overloaded.error("full");
                    vec![Line::Fail(aether_proto::Error { retry_after_ms: 2500, ..busy })]
                }
                "late" => vec![
                    Line::Text("Well"),
                    Line::Pause(Duration::from_millis(50)),
                    Line::Fail(ErrorCode::LlmUnavailable.error("the model is away")),
                ],
                "slow" => vec![Line::Pause(Duration::from_secs(1)), Line::Text("Well"), Line::Done("length")],
                "tool" => {
                    let refused = ErrorCode::InvalidArgument.error("the model refused it");
                    let field = "tools[0].function.parameters".to_owned();
                    vec![Line::Fail(aether_proto::Error { field, ..refused })]
                }
                _ => vec![Line::Fail(ErrorCode::InvalidArgument.error("images need llm.vision_model"))],
            }
        })
        .await;
    let ask = |words: &str| {
        let mut body = streamed(hello());
        body["messages"][0]["content"] = json!(words);
        desk.completions(&key, &body)
    };
    let (status, body) = answer(ask("at once")).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("llm_unavailable")));
    let busy = ask("busy").send().await.unwrap();
    assert_eq!((busy.status(), &busy.headers()["retry-after"]), (StatusCode::TOO_MANY_REQUESTS, &"3".parse().unwrap()));
    let (status, body) = answer(ask("picture")).await;
    assert_eq!((status, &body["error"]["message"]), (StatusCode::BAD_REQUEST, &json!("images need llm.vision_model")));
    assert_eq!(body["error"]["param"], "messages");
    let (status, body) = answer(ask("tool")).await;
    assert_eq!(
        (status, &body["error"]["param"]),
        (StatusCode::BAD_REQUEST, &json!("tools[0].function.parameters")),
        "who knows better says so"
    );
    assert_snapshot!(without_ids(&text_of(ask("late")).await), @r#"
    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":…,"model":"aether","choices":[{"index":0,"delta":{"content":"Well"},"logprobs":null,"finish_reason":null}]}

    data: {"error":{"message":"the model is away","type":"server_error","param":null,"code":"llm_unavailable"}}
    "#);
    // The response begins before the answer does.
    let slow = text_of(ask("slow")).await;
    assert!(slow.contains("\"finish_reason\":\"length\"") && slow.ends_with("data: [DONE]\n\n"), "{slow}");
    assert_eq!(brain.opens().len(), 6);
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_lives() {
    let desk = Desk::open_with(|options| {
        options.first_word = Duration::from_millis(50);
        options.keep_alive = Duration::from_millis(100);
    })
    .await;
    let _brain =
        desk.brain(|_| vec![Line::Pause(Duration::from_millis(500)), Line::Text("Now"), Line::Done("stop")]).await;
    let key = desk.key("acme", Some("ada"), "chat").await;
    let text = text_of(desk.completions(&key, &streamed(hello()))).await;
    assert!(text.lines().filter(|line| *line == ":" || *line == ": ").count() >= 3, "{text}");
}

#[tokio::test]
async fn a_conversation_goes_on_for_those_whose_it_is() {
    let mut desk = Desk::open().await;
    let brain = desk.brain(|_| greeting()).await;
    let key = desk.key("acme", Some("ada"), "chat").await;
    let ask = |key: &str, id: &str| desk.completions(key, &hello()).header("X-Conversation-Id", id);
    let response = ask(&key, "new").send().await.unwrap();
    let id = response.headers()["x-conversation-id"].to_str().unwrap().to_owned();
    // At once, although no row of it is written.
    let again = ask(&key, &id).send().await.unwrap();
    assert_eq!((again.status(), &again.headers()["x-conversation-id"]), (StatusCode::OK, &id.parse().unwrap()));
    let opens = brain.opens();
    assert!(opens.iter().all(|open| open.session_id == id && open.conversation.is_none()), "{opens:?}");

    let bens = desk.key("acme", Some("ben"), "chat").await;
    let others = desk.key("other", Some("ada"), "chat").await;
    let nobodys = desk.key("acme", None, "chat").await;
    let unknown = SessionId::generate().to_string();
    for (key, id) in [(&bens, &id), (&others, &id), (&key, &unknown), (&key, &"nonsense".to_owned())] {
        let (status, body) = answer(ask(key, id)).await;
        assert_eq!((status, &body["error"]["param"]), (StatusCode::NOT_FOUND, &json!("X-Conversation-Id")));
    }
    assert_eq!(answer(ask(&nobodys, &id)).await.0, StatusCode::OK);

    // One that only the database knows, as after a restart.
    let session = SessionId::generate();
    let mut transaction = desk.store_of(aether_store::Login::Brain).tenant(&tenant_id("acme")).await.unwrap();
    let agent = aether_proto::AgentId::new("aether").unwrap();
    let said = aether_proto::UserCommitted {
        person_id: "ada".into(),
        text: "Hi".into(),
        modality: "voice".into(),
        ..Default::default()
    };
    let entry = TurnLogEntry {
        session_id: session.to_string(),
        turn_id: aether_proto::TurnId::generate().to_string(),
        sequence: 0,
        at_unix_us: 1_700_000_000_000_000,
        step: Some(Step::UserCommitted(said)),
    };
    transaction.apply_turn_log_entry(&agent, &entry).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(answer(ask(&key, &session.to_string())).await.0, StatusCode::OK);
    assert_eq!(answer(ask(&bens, &session.to_string())).await.0, StatusCode::NOT_FOUND);

    // Brain shows the model what that can hold of it.
    let mut long = hello();
    long["messages"][0]["content"] = json!("ä".repeat(20_000));
    let ask_long = |body: &Value| desk.completions(&key, body).header("X-Conversation-Id", &id);
    assert_eq!(answer(ask_long(&long)).await.0, StatusCode::OK);
    assert_eq!(brain.commits().last().unwrap().text.len(), 40_000);
    long["messages"][0]["content"] = json!("ä".repeat(33_000));
    let (status, body) = answer(ask_long(&long)).await;
    assert_eq!((status, &body["error"]["param"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("messages[0].content")));

    let mut with_tools = hello();
    with_tools["tools"] = json!([{ "type": "function", "function": { "name": "a" } }]);
    let (status, body) = answer(desk.completions(&key, &with_tools).header("X-Conversation-Id", "new")).await;
    assert_eq!((status, &body["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("tools")));

    // Nobody can say whose it is: that is no reason to say that it is nobody's.
    let token = desk.page_token("acme", Some("ada"), Scopes::PAGE);
    desk.postgres.kill().await;
    let ask = |id: &str| desk.completions(&token, &hello()).header("X-Conversation-Id", id);
    assert_eq!(answer(ask(&unknown)).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer(ask(&id)).await.0, StatusCode::OK, "a running conversation goes on");
}

#[tokio::test]
async fn what_is_too_large_or_too_deep_is_refused_in_json() {
    let desk = Desk::open().await;
    let brain = desk.brain(|_| greeting()).await;
    let key = desk.key("acme", Some("ada"), "chat").await;
    let ask = |body: String| {
        let request = desk.request(reqwest::Method::POST, "/v1/chat/completions", &key);
        answer(request.header("content-type", "application/json").body(body))
    };
    let huge = json!({ "model": "aether", "messages": [{ "role": "user", "content": "x".repeat(3 << 20) }] });
    let (status, body) = ask(huge.to_string()).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too_large")));
    let large = json!({ "model": "aether", "messages": [{ "role": "user", "content": "x".repeat((1 << 20) + 1) }] });
    let (status, body) = ask(large.to_string()).await;
    assert_eq!((status, &body["error"]["param"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("messages[0]")));
    for body in ["", "{", "[1,2", "\u{feff}{}", "null", &("[".repeat(100_000) + &"]".repeat(100_000))] {
        let (status, body) = ask(body.to_owned()).await;
        assert_eq!((status, &body["error"]["type"]), (StatusCode::BAD_REQUEST, &json!("invalid_request_error")));
    }
    let mut unknown = hello();
    unknown["model"] = json!("gpt-4o");
    let (status, body) = ask(unknown.to_string()).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::NOT_FOUND, &json!("model_not_found")));
    assert_eq!(body["error"]["message"], "there is no model \"gpt-4o\", only aether and org/small-model");
    assert!(brain.opens().is_empty());
    // A long text is taken whole; what is recalled by is its beginning.
    let long = json!({ "model": "aether", "messages": [{ "role": "user", "content": "ä".repeat(20_000) }] });
    assert_eq!(ask(long.to_string()).await.0, StatusCode::OK);
    assert_eq!(brain.opens()[0].conversation.as_ref().unwrap().messages[0].content.len(), 40_000);
    assert_eq!(brain.commits()[0].text.len(), 16 << 10);
}

#[tokio::test]
async fn models_are_the_agent_and_its_language_model() {
    let desk = Desk::open().await;
    let key = desk.key("acme", None, "chat").await;
    let (status, body) = desk.get("/v1/models", &key).await;
    assert_eq!(status, StatusCode::OK);
    let ids: Vec<&str> = body["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["aether", "org/small-model"]);
    for path in ["/v1/models/aether", "/v1/models/org/small-model", "/v1/models/org%2Fsmall-model"] {
        let (status, body) = desk.get(path, &key).await;
        assert_eq!((status, &body["object"]), (StatusCode::OK, &json!("model")), "{path}");
    }
    assert_eq!(desk.get("/v1/models/gpt-4o", &key).await.0, StatusCode::NOT_FOUND);
    let latency = desk.get("/metrics/latency", "").await.1;
    assert_eq!(latency["stages"]["chat_first_token"]["pass_p95_ms"], 1800);
}
