//! Turns whose caller brings the conversation along, with wishes and tools of its own.

use crate::house::{Answer, Brain, House, PATIENT, Turn, log_entries, say};
use aether_brain::Options;
use aether_proto::{
    BrainInput, ChatMessage, Commit, Conversation, Image, Modality, Open, ReadyReply, ReadyRequest, Sampling,
    SessionId, ToolDefinition, TurnId, brain_input, subject,
};
use aether_testkit::{self as testkit, Behaviour, Script, ScriptedLlm, StallingLlm};
use serde_json::json;

fn message(role: &str, content: &str) -> ChatMessage {
    ChatMessage { role: role.into(), content: content.into(), ..ChatMessage::default() }
}

fn bring(messages: Vec<ChatMessage>) -> impl FnOnce(&mut Open) {
    move |open| {
        open.conversation = Some(Conversation { messages });
        open.modality = Modality::Text.into();
    }
}

async fn ask(house: &House, text: &str, change: impl FnOnce(&mut Open)) -> Result<Answer, aether_bus::Error> {
    let mut turn = Turn::open_with(house, SessionId::generate(), TurnId::generate(), change).await;
    let commit = Commit { generation: 0, text: text.into() };
    // Too late where the opening was refused; the answer says why.
    let _ = turn.call.send(&BrainInput { input: Some(brain_input::Input::Commit(commit)) }).await;
    turn.answer().await
}

async fn brain(house: &House, llm: &ScriptedLlm, change: impl FnOnce(&mut Options)) -> Brain {
    house.brain_with(&llm.endpoint, ScriptedLlm::MODEL, PATIENT, change).await
}

#[tokio::test]
async fn the_prompt_is_what_was_brought_and_what_comes_to_mind() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words(["Ada."])]).await;
    let brain = brain(&house, &llm, |_| {}).await;
    let log = house.turn_log().await;
    let session = SessionId::generate();
    for entry in log_entries(session, TurnId::generate(), "My name is Ada.", "Hello.") {
        log.append(&house.context.clone().with_session(session), &entry).await.unwrap();
    }
    crate::conversation::remembered(&house, 1).await;

    let words = "What is my name?";
    let messages = vec![
        message("system", "You are terse."),
        message("user", "Hi."),
        message("assistant", "Hello!"),
        message("user", words),
    ];
    let answer = ask(&house, words, |open| {
        bring(messages)(open);
        open.sampling = Some(Sampling {
            max_output_tokens: Some(7),
            temperature: Some(0.5),
            top_p: Some(0.25),
            seed: Some(11),
            stop: vec!["END".into()],
        });
    })
    .await
    .unwrap();
    assert_eq!((answer.text.as_str(), answer.done.unwrap().finish_reason.as_str()), ("Ada.", "stop"));
    let usage = answer.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (10, 1));
    let [request] = &llm.requests()[..] else { panic!("it was read ahead, or asked twice: {:?}", llm.requests()) };
    let contents: Vec<_> = request["messages"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
    let [system, first, second, memories, last] = contents[..] else { panic!("{request}") };
    assert_eq!(
        (system, first, second, last),
        (&json!("You are terse."), &json!("Hi."), &json!("Hello!"), &json!(words))
    );
    assert!(memories.as_str().unwrap().contains("My name is Ada."), "{memories}");
    assert_eq!(
        (&request["max_tokens"], &request["temperature"], &request["top_p"], &request["seed"], &request["stop"]),
        (&json!(7), &json!(0.5), &json!(0.25), &json!(11), &json!(["END"]))
    );

    ask(&house, "Hi.", bring(vec![message("user", "Hi.")])).await.unwrap();
    let persona = llm.requests()[1]["messages"][0]["content"].as_str().unwrap().to_owned();
    assert!(persona.contains("in writing") && !persona.contains("spoken"), "{persona}");
    brain.stop().await;
}

fn with_weather(messages: Vec<ChatMessage>) -> impl FnOnce(&mut Open) {
    |open| {
        bring(messages)(open);
        open.tools = vec![ToolDefinition {
            name: "weather".into(),
            description: "The weather of a place.".into(),
            parameters: "{\"type\": \"object\", \"properties\": {\"place\": {\"type\": \"string\"}}}".into(),
        }];
    }
}

#[tokio::test]
async fn the_callers_tools_are_asked_for_and_their_results_come_back() {
    let house = House::build().await;
    let arguments = "{\"place\": \"Rome\"}";
    let written = format!("{{\"name\": \"weather\", \"arguments\": {arguments}}}");
    let talks_on = Script::words([&written, "\n\nThis is the result:", " it rains."]);
    for script in [Script::call("weather", arguments), Script::words([&written[..9], &written[9..]]), talks_on] {
        let llm = ScriptedLlm::start([script, Script::words(["It is sunny."])]).await;
        let brain = brain(&house, &llm, |_| {}).await;
        let words = "What time is it, and how is the weather in Rome?";
        let answer = ask(&house, words, with_weather(vec![message("user", words)])).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.done.as_ref().unwrap().finish_reason.as_str()), ("", "tool_calls"));
        assert!(answer.tool_results.is_empty(), "none of our own is run beside: {answer:?}");
        let [first, ..] = answer.tool_calls.as_slice() else { panic!("{answer:?}") };
        assert!(first.name == "weather" && !first.id.is_empty());
        assert!(answer.tool_calls[1..].iter().all(|piece| piece.name.is_empty() && piece.index == first.index));
        let whole: String = answer.tool_calls.iter().map(|piece| piece.arguments.as_str()).collect();
        let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(whole, json!({ "place": "Rome" }));

        let call = aether_proto::ToolCall { arguments: arguments.into(), ..first.clone() };
        let messages = vec![
            message("user", words),
            ChatMessage { tool_calls: vec![call], ..message("assistant", "") },
            ChatMessage { tool_call_id: first.id.clone(), ..message("tool", "sunny") },
        ];
        let answer = ask(&house, words, with_weather(messages)).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.done.unwrap().finish_reason.as_str()), ("It is sunny.", "stop"));
        let request = &llm.requests()[1];
        let [.., asked, returned] = request["messages"].as_array().unwrap().as_slice() else { panic!("{request}") };
        assert_eq!(asked["tool_calls"][0]["function"]["arguments"], arguments);
        assert_eq!((&returned["role"], &returned["content"]), (&json!("tool"), &json!("sunny")));
        brain.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_call_of_the_callers_tools_stays_text() {
    let house = House::build().await;
    let broken = "{\"name\": \"weather\", \"arguments\": {\"pl";
    let unknown = "{\"arguments\":{\"topic\":\"all\"},\"name\":\"forget\"}";
    for text in [broken, unknown] {
        let llm = ScriptedLlm::start([Script::words([text])]).await;
        let brain = brain(&house, &llm, |_| {}).await;
        let answer = ask(&house, "Hm.", with_weather(vec![message("user", "Hm.")])).await.unwrap();
        assert_eq!(answer.text, text);
        assert!(answer.tool_calls.is_empty(), "{answer:?}");
        assert_eq!(answer.done.unwrap().finish_reason, "stop");
        brain.stop().await;
    }
}

#[tokio::test]
async fn images_need_a_model_that_sees() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words(["A cat."])]).await;
    let shown = || {
        let image = Image { media_type: "image/png".into(), data: vec![1, 2, 3] };
        bring(vec![ChatMessage { images: vec![image], ..message("user", "What is this?") }])
    };
    let blind = brain(&house, &llm, |_| {}).await;
    let refused = ask(&house, "What is this?", shown()).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "invalid_argument");
    assert!(refused.to_string().contains("LLM_VISION_MODEL"), "{refused}");
    blind.stop().await;

    let seeing = brain(&house, &llm, |options| options.vision_model = Some("eyes".into())).await;
    let answer = ask(&house, "What is this?", shown()).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.usage.unwrap().model.as_str()), ("A cat.", "eyes"));
    let request = &llm.requests()[0];
    assert_eq!(request["model"], "eyes");
    let content = &request["messages"][1]["content"];
    assert_eq!(content[1]["image_url"]["url"], "data:image/png;base64,AQID", "{content}");
    seeing.stop().await;
}

#[tokio::test]
async fn what_the_model_refuses_of_it_is_the_callers_to_mend() {
    let house = House::build().await;
    let llm = StallingLlm::start(Behaviour::Status(400)).await;
    let brain = house.brain_with(&llm.endpoint, "test", PATIENT, |_| {}).await;
    let refused = ask(&house, "Hi.", bring(vec![message("user", "Hi.")])).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "invalid_argument", "{refused}");
    assert!(refused.to_string().contains("failing on purpose"), "{refused}");
    let field = |refused: aether_bus::Error| match refused {
        aether_bus::Error::Remote(error) => error.field,
        other => panic!("{other}"),
    };
    assert_eq!(field(refused), "", "who knows of which message");
    let faulty = |open: &mut Open| {
        with_weather(vec![message("user", "Hi.")])(open);
        let parameters = "{\"type\": \"object\", \"properties\": {\"place\": {\"type\": \"town\"}}}".into();
        open.tools.push(ToolDefinition { name: "trains".into(), description: String::new(), parameters });
    };
    assert_eq!(field(ask(&house, "Hi.", faulty).await.unwrap_err()), "tools[1].function.parameters");
    brain.stop().await;
}

#[tokio::test]
async fn nothing_is_an_answer_to_a_program_and_a_failure_to_a_person() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words([])]).await;
    let brain = brain(&house, &llm, |_| {}).await;
    let stopped = |open: &mut Open| {
        open.modality = Modality::Text.into();
        open.sampling = Some(Sampling { stop: vec!["END".into()], ..Sampling::default() });
    };
    for answer in [ask(&house, "Hi.", bring(vec![message("user", "Hi.")])).await, ask(&house, "Hi.", stopped).await] {
        let answer = answer.unwrap();
        assert_eq!((answer.text.as_str(), answer.done.unwrap().finish_reason.as_str()), ("", "stop"));
        assert_eq!(answer.usage.unwrap().input_tokens, 10);
    }
    let refused = ask(&house, "Hi.", |_| {}).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "llm_unavailable", "{refused}");
    brain.stop().await;
}

#[tokio::test]
async fn several_speakers_are_told_apart() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words(["Hello!"])]).await;
    let brain = brain(&house, &llm, |_| {}).await;
    let session = SessionId::generate();
    for (name, text) in [("Ada", "I am Ada."), ("Ben", "And I am Ben.")] {
        let mut turn = Turn::open_with(&house, session, TurnId::generate(), |open| {
            open.person_name = name.into();
            open.label_speakers = true;
        })
        .await;
        turn.commit(text).await;
        turn.answer().await.unwrap();
    }
    let request = llm.requests().pop().unwrap();
    let contents: Vec<_> =
        request["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert!(contents[0].contains("Several people"), "{contents:?}");
    assert_eq!(contents[1..], ["Ada: I am Ada.", "Hello!", "Ben: And I am Ben."]);
    brain.stop().await;
}

#[tokio::test]
async fn whether_it_can_think_is_answered() {
    let house = House::build().await;
    let mut llm = testkit::llm().await;
    let brain = house.brain(&llm.url, &llm.model).await;
    let ready = async || {
        let reply = house.bus.request::<_, ReadyReply>(&house.context, subject::BRAIN_READY, &ReadyRequest {});
        reply.await.unwrap()
    };
    testkit::eventually("it can think", 20, || async { ready().await.ready }).await;
    llm.kill().await;
    // Whoever met the failure must not be told right after it that all is well.
    say(&house, SessionId::generate(), "Are you there?").await.unwrap_err();
    testkit::eventually("it says that it can't", 1, || async {
        let reply = ready().await;
        !reply.ready && reply.waiting_for == ["llm"]
    })
    .await;
    brain.stop().await;
}
