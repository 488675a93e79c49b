use serde_json::json;

use super::*;
use crate::fields::Body;

fn read(body: Value) -> Result<Request, Problem> {
    Request::read(&Body::of(body).object()?)
}

fn with(field: &str, value: Value) -> Value {
    let mut body = json!({ "model": "aether", "messages": [{ "role": "user", "content": "Hello" }] });
    body[field] = value;
    body
}

fn messages(messages: Value) -> Value {
    with("messages", messages)
}

/// What the error object says is wrong: the field, and the message.
fn refused(body: Value) -> (String, String) {
    let problem = read(body).unwrap_err();
    assert_eq!(problem.status().as_u16(), 400, "{problem}");
    let object = serde_json::to_value(problem.object()).unwrap();
    let text = |name: &str| object["error"][name].as_str().unwrap_or_default().to_owned();
    (text("param"), text("message"))
}

#[test]
fn what_is_wrong_is_named() {
    let say = |content: Value| messages(json!([{ "role": "user", "content": content }]));
    let image = |url: &str| say(json!([{ "type": "image_url", "image_url": { "url": url } }]));
    let tool = |name: &str| json!({ "type": "function", "function": { "name": name } });
    for (body, param, message) in [
        (json!([]), "", "the body must be an object, not a list"),
        (json!({ "messages": [] }), "model", "`model` is missing"),
        (with("model", json!(7)), "model", "`model` must be a text, not a number"),
        (with("model", json!("")), "model", "`model` must not be empty"),
        (json!({ "model": "aether" }), "messages", "`messages` is missing"),
        (messages(json!("hi")), "messages", "`messages` must be a list, not a text"),
        (messages(json!([])), "messages", "`messages` must not be empty"),
        (messages(json!(["hi"])), "messages[0]", "`messages[0]` must be an object, not a text"),
        (messages(json!([{ "content": "x" }])), "messages[0].role", "`messages[0].role` is missing"),
        (
            messages(json!([{ "role": "function", "content": "x" }])),
            "messages[0].role",
            "`messages[0].role` must be system, developer, user, assistant or tool, not \"function\"",
        ),
        (
            messages(json!([{ "role": "system", "content": "x" }])),
            "messages",
            "`messages` must hold a message with the role `user`",
        ),
        (messages(json!([{ "role": "user" }])), "messages[0].content", "`messages[0].content` is missing"),
        (
            messages(json!([{ "role": "user", "content": "a" }, { "role": "user", "content": " \n" }])),
            "messages[1].content",
            "`messages[1].content` must not be empty: there is nothing to answer",
        ),
        (say(json!(5)), "messages[0].content", "`messages[0].content` must be a text or a list of parts"),
        (
            say(json!([{ "type": "text", "text": 5 }])),
            "messages[0].content[0].text",
            "`messages[0].content[0].text` must be a text, not a number",
        ),
        (
            say(json!([{ "type": "input_audio", "input_audio": {} }])),
            "messages[0].content[0].type",
            "`messages[0].content[0].type` must be `text` or `image_url`, not \"input_audio\"",
        ),
        (
            image("https://example.org/cat.png"),
            "messages[0].content[0].image_url.url",
            "`messages[0].content[0].image_url.url` must be a `data:` URL: pictures are not fetched from elsewhere, send the \
             picture itself",
        ),
        (
            image("data:image/svg+xml;base64,aGk="),
            "messages[0].content[0].image_url.url",
            "`messages[0].content[0].image_url.url` must be one of image/png, image/jpeg, image/webp, image/gif, not \
             \"image/svg+xml\"",
        ),
        (
            image("data:image/png;base64,???"),
            "messages[0].content[0].image_url.url",
            "`messages[0].content[0].image_url.url` is not valid base64: Invalid symbol 63, offset 0.",
        ),
        (
            messages(json!([
                { "role": "user", "content": "x" },
                { "role": "tool", "content": "x", "tool_call_id": "call_1" }
            ])),
            "messages[1].tool_call_id",
            "`messages[1].tool_call_id` is \"call_1\", and no assistant message before it called that",
        ),
        (with("temperature", json!("hot")), "temperature", "`temperature` must be a number, not a text"),
        (with("temperature", json!(2.5)), "temperature", "`temperature` must be between 0 and 2, not 2.5"),
        (with("top_p", json!(-0.1)), "top_p", "`top_p` must be between 0 and 1, not -0.1"),
        (
            with("max_tokens", json!(0)),
            "max_tokens",
            "`max_tokens` must be a whole number between 1 and 4294967295, not 0",
        ),
        (with("n", json!(2)), "n", "`n` must be 1: there is one answer to a question"),
        (with("logprobs", json!(true)), "logprobs", "`logprobs` is not supported: leave it out"),
        (with("seed", json!("a")), "seed", "`seed` must be a whole number, not a text"),
        (
            with("seed", json!(u64::MAX)),
            "seed",
            "`seed` must be a whole number between 0 and 9223372036854775807, not 18446744073709551615",
        ),
        (with("stop", json!(["a", "b", "c", "d", "e"])), "stop", "`stop` must be at most 4 texts, not 5"),
        (with("stop", json!(["a", ""])), "stop[1]", "`stop[1]` must not be empty"),
        (with("stream", json!("yes")), "stream", "`stream` must be true or false, not a text"),
        (
            with("response_format", json!({ "type": "json_schema", "json_schema": {} })),
            "response_format.type",
            "`response_format.type` is \"json_schema\", which is not supported: only `text` is",
        ),
        (with("functions", json!([])), "functions", "`functions` is not supported: use `tools`"),
        (
            with("modalities", json!(["text", "audio"])),
            "modalities[1]",
            "`modalities[1]` must be `text`: to be heard, join a room",
        ),
        (
            with("tools", json!([{ "type": "retrieval" }])),
            "tools[0].type",
            "`tools[0].type` must be `function`, not \"retrieval\"",
        ),
        (
            with("tools", json!([tool("two words")])),
            "tools[0].function.name",
            "`tools[0].function.name` must be at most 64 letters, digits, `_` and `-`",
        ),
        (
            with("tools", json!([tool("a"), tool("a")])),
            "tools[1].function.name",
            "`tools[1].function.name` is \"a\" as that of a tool before it",
        ),
        (with("tool_choice", json!("required")), "tool_choice", "`tool_choice` needs `tools` to choose from"),
        (
            with("tool_choice", json!({ "type": "function", "function": { "name": "a" } })),
            "tool_choice.function.name",
            "`tool_choice.function.name` is \"a\", which is none of `tools`",
        ),
        (with("user", json!("a\nb")), "user", "`user` is not valid: person id contains the control character U+000A"),
    ] {
        assert_eq!(refused(body), (param.to_owned(), message.to_owned()));
    }
}

#[test]
fn a_seed_may_be_below_zero() {
    let seed = |number: i64| read(with("seed", json!(number))).unwrap().sampling.seed;
    assert_eq!(
        (seed(7), seed(-1), seed(-2)),
        (Some(7), Some(i64::MAX.cast_unsigned()), Some(i64::MAX.cast_unsigned() - 1))
    );
    assert!(seed(i64::MIN).is_some());
}

#[test]
fn more_text_than_may_be_is_too_large() {
    let long = "x".repeat(MOST_TEXT / 2 + 1);
    let body = messages(json!([{ "role": "user", "content": long.clone() }, { "role": "user", "content": long }]));
    let problem = read(body).unwrap_err();
    assert_eq!(problem.code(), ErrorCode::TooLarge);
    assert_eq!(serde_json::to_value(problem.object()).unwrap()["error"]["param"], "messages[1]");
}

#[test]
fn everything_that_is_asked_reaches_brain() {
    let request = read(json!({
        "model": "aether",
        "messages": [
            { "role": "developer", "content": "Be brief." },
            { "role": "user", "content": [{ "type": "text", "text": "What is " }, { "type": "text", "text": "this?" },
              { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw==", "detail": "low" } }] },
            { "role": "assistant", "content": null, "tool_calls": [
              { "id": "call_1", "type": "function", "function": { "name": "look", "arguments": "{}" } }] },
            { "role": "tool", "tool_call_id": "call_1", "content": "A cat." }
        ],
        "max_tokens": 5, "max_completion_tokens": 7, "temperature": 0, "top_p": 1, "seed": 9, "stop": "END",
        "tools": [{ "type": "function", "function": { "name": "look", "description": "Looks.", "strict": true } }],
        "tool_choice": "auto", "parallel_tool_calls": true, "stream": true, "stream_options": { "include_usage": true },
        "user": "ada", "n": 1, "logit_bias": {}, "response_format": { "type": "text" }, "from_the_future": [1]
    }))
    .unwrap();
    assert_eq!((request.words.as_str(), request.words_at), ("What is this?", 1));
    assert_eq!(request.messages[0].role, "system");
    assert_eq!(
        request.messages[1].images,
        [Image { media_type: "image/png".into(), data: vec![0x89, b'P', b'N', b'G'] }]
    );
    assert_eq!(request.messages[2].tool_calls[0].name, "look");
    assert_eq!(request.answered_calls().collect::<Vec<_>>(), ["call_1"]);
    let expected = Sampling {
        max_output_tokens: Some(7),
        temperature: Some(0.0),
        top_p: Some(1.0),
        seed: Some(9),
        stop: vec!["END".into()],
    };
    assert_eq!(request.sampling, expected);
    assert_eq!(request.tools[0].parameters, r#"{"type":"object","properties":{}}"#);
    assert!(request.stream && request.include_usage);
    assert_eq!(request.user, PersonId::new("ada").ok());
    assert_eq!(request.not_for_a_stored_conversation().as_deref(), Some("tools"));
}

#[test]
fn null_is_the_same_as_nothing() {
    let mut body = with("stop", Value::Null);
    for name in
        ["temperature", "top_p", "seed", "max_tokens", "tools", "tool_choice", "stream", "stream_options", "user"]
    {
        body[name] = Value::Null;
    }
    assert_eq!(read(body).unwrap().sampling, Sampling::default());
}

#[test]
fn a_picture_alone_is_words_enough() {
    let picture = json!([{ "type": "image_url", "image_url": { "url": "data:image/gif;base64,R0lG" } }]);
    let request = read(messages(json!([{ "role": "user", "content": picture }]))).unwrap();
    assert_eq!(request.words, ONLY_IMAGES);
    assert_eq!(request.not_for_a_stored_conversation().as_deref(), Some("messages[0]"));
}
