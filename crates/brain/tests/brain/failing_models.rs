//! Models that fail on purpose: every call ends in time, with the reason.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::house::{Brain, House, Turn, say};
use aether_bus::{Call, CallOptions, Context, Frame};
use aether_llm::Deadlines;
use aether_proto::{Done, LlmClass, LlmInput, LlmMessage, LlmOutput, SessionId, TurnId, llm_output, subject};
use aether_testkit::{self as testkit, Behaviour, StallingLlm};
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use futures::stream;

const IMPATIENT: Deadlines = Deadlines {
    connect: Duration::from_millis(500),
    first_token: Duration::from_millis(1500),
    idle: Duration::from_millis(1500),
    total: Duration::from_secs(10),
};

async fn impatient_brain(house: &House, endpoint: &str) -> Brain {
    house.brain_with(endpoint, "test", IMPATIENT, |options| options.background_rest = Duration::ZERO).await
}

#[tokio::test]
async fn a_model_that_does_not_answer_as_it_should_is_an_error_in_time() {
    let house = House::build().await;
    let words = vec!["Once ".to_owned(), "upon ".to_owned()];
    let cases = [
        (Behaviour::Silent, "deadline_exceeded"),
        (Behaviour::StallAfter(words), "deadline_exceeded"),
        (Behaviour::Rubbish, "llm_unavailable"),
        (Behaviour::Cut, "llm_unavailable"),
        (Behaviour::Status(500), "llm_unavailable"),
        (Behaviour::Status(400), "llm_unavailable"),
        (Behaviour::Slow(Vec::new(), Duration::ZERO), "llm_unavailable"),
    ];
    for (behaviour, code) in cases {
        let name = format!("{behaviour:?}");
        let llm = StallingLlm::start(behaviour).await;
        let brain = impatient_brain(&house, &llm.endpoint).await;
        let started = Instant::now();
        let failed = say(&house, SessionId::generate(), "Are you there?").await.unwrap_err();
        assert_eq!(failed.code().as_str(), code, "{name}: {failed}");
        assert!(started.elapsed() < Duration::from_secs(8), "{name}: {:?}", started.elapsed());
        brain.stop().await;
    }
}

#[tokio::test]
async fn it_starts_before_its_parts_and_becomes_ready_by_itself() {
    let mut house = House::build().await;
    house.nats.kill().await;
    house.postgres.kill().await;
    let llm = CountingLlm::default();
    let brain = house.start_brain(&llm.start(3).await, "test", IMPATIENT, |_| {}).await;
    testkit::eventually("the model is up", 10, || async { brain.is_up("llm") }).await;
    assert_eq!(brain.health.report().waiting_for, ["nats"]);

    house.nats.restart().await;
    testkit::eventually("NATS is up", 10, || async { brain.health.is_ready() }).await;
    house.bus.ready(Duration::from_secs(10)).await.unwrap();
    let without = say(&house, SessionId::generate(), "Are you there?").await.unwrap();
    assert_eq!((without.text.as_str(), without.statuses.len()), ("word word word ", 1));

    house.postgres.restart().await;
    house.until_thinking(&brain).await;
    let with = say(&house, SessionId::generate(), "Are you there?").await.unwrap();
    assert_eq!((with.text.as_str(), with.statuses.len()), ("word word word ", 0));
    brain.stop().await;
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let house = House::build().await;
    let llm = StallingLlm::start(Behaviour::Endless).await;
    let brain = house
        .brain_with(&llm.endpoint, "test", IMPATIENT, |options| options.max_output_tokens = 20.try_into().unwrap())
        .await;
    let answer = say(&house, SessionId::generate(), "Go on.").await.unwrap();
    assert_eq!((answer.chunks.len(), answer.done.unwrap().finish_reason.as_str()), (20, "length"));
    brain.stop().await;
}

/// An endless model that counts its conversations.
#[derive(Clone, Default)]
pub struct CountingLlm {
    begun: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl CountingLlm {
    /// Says `words` words, one every 20 ms.
    pub async fn start(&self, words: usize) -> String {
        let counting = self.clone();
        let answer = move || {
            let counting = counting.clone();
            async move {
                counting.begun.fetch_add(1, Ordering::SeqCst);
                counting.running.fetch_add(1, Ordering::SeqCst);
                let running = Running(counting.running);
                let chunks = stream::unfold((0, running), move |(said, running)| async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let chunk = match said {
                        said if said < words => "data: {\"choices\":[{\"delta\":{\"content\":\"word \"}}]}\n\n",
                        said if said == words => "data: [DONE]\n\n",
                        _ => return None,
                    };
                    Some((Ok::<_, Infallible>(chunk), (said + 1, running)))
                });
                Body::from_stream(chunks).into_response()
            }
        };
        let router = Router::new()
            .route("/v1/chat/completions", post(answer))
            .route("/v1/models", get(|| async { "{\"data\":[{\"id\":\"test\"}]}" }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    pub async fn until_running(&self, count: usize) {
        testkit::eventually("as many answers as expected", 5, || async {
            self.running.load(Ordering::SeqCst) == count
        })
        .await;
    }
}

#[tokio::test]
async fn a_caller_who_goes_stops_the_model() {
    let house = House::build().await;
    let llm = CountingLlm::default();
    let brain = impatient_brain(&house, &llm.start(usize::MAX).await).await;
    for say_so in [true, false] {
        let mut turn = Turn::open(&house, SessionId::generate(), "").await;
        turn.commit("Go on.").await;
        turn.next().await.unwrap();
        llm.until_running(1).await;
        let gone = Instant::now();
        if say_so {
            turn.call.cancel();
            llm.until_running(0).await;
            assert!(matches!(turn.answer().await, Err(aether_bus::Error::Cancelled { .. })));
        } else {
            drop(turn);
            llm.until_running(0).await;
        }
        println!("the model stopped {} ms after the caller had gone", gone.elapsed().as_millis());
    }
    brain.stop().await;
}

#[tokio::test]
async fn a_newer_attempt_at_a_turn_ends_the_older_one() {
    let house = House::build().await;
    let llm = CountingLlm::default();
    let brain = impatient_brain(&house, &llm.start(usize::MAX).await).await;
    let (session, turn) = (SessionId::generate(), TurnId::generate());
    let mut older = Turn::open_as(&house, session, turn, 1, "").await;
    older.commit("Go on.").await;
    older.next().await.unwrap();
    let mut newer = Turn::open_as(&house, session, turn, 2, "").await;
    let ended = older.answer().await.unwrap_err();
    assert_eq!(ended.code().as_str(), "invalid_argument", "{ended}");
    newer.commit("Go on.").await;
    assert!(newer.next().await.unwrap().is_some());
    llm.until_running(1).await;
    brain.stop().await;
}

#[tokio::test]
async fn a_stale_commit_is_not_answered() {
    let house = House::build().await;
    let llm = CountingLlm::default();
    let brain = impatient_brain(&house, &llm.start(1).await).await;
    let mut turn = Turn::open_as(&house, SessionId::generate(), TurnId::generate(), 5, "hello").await;
    turn.generation = 4;
    turn.commit("Old words.").await;
    assert!(tokio::time::timeout(Duration::from_millis(300), turn.next()).await.is_err());
    turn.generation = 6;
    turn.commit("New words.").await;
    assert_eq!(turn.answer().await.unwrap().text, "word ");
    brain.stop().await;
}

async fn complete(house: &House, class: LlmClass) -> Call<LlmInput, LlmOutput> {
    complete_for(house, &house.context, class).await
}

async fn complete_for(house: &House, context: &Context, class: LlmClass) -> Call<LlmInput, LlmOutput> {
    let input = LlmInput {
        class: class.into(),
        messages: vec![LlmMessage { role: "user".into(), content: "Go on.".into() }],
        max_output_tokens: 100,
        ..LlmInput::default()
    };
    house.bus.call(context, subject::LLM_REQUEST, &input, CallOptions::default()).await.unwrap()
}

async fn read(mut call: Call<LlmInput, LlmOutput>) -> (String, Done) {
    let mut text = String::new();
    while let Some(Frame::Message(LlmOutput { output: Some(output) })) = call.next().await.unwrap() {
        match output {
            llm_output::Output::TextChunk(chunk) => text.push_str(&chunk.text),
            llm_output::Output::Usage(_) => {}
            llm_output::Output::Done(done) => return (text, done),
        }
    }
    (text, Done::default())
}

#[tokio::test]
async fn background_work_yields_and_is_done_in_the_end() {
    let house = House::build().await;
    let llm = CountingLlm::default();
    let brain = impatient_brain(&house, &llm.start(30).await).await;
    let background = tokio::spawn(read(complete(&house, LlmClass::Background).await));
    llm.until_running(1).await;
    let interactive = complete(&house, LlmClass::Interactive).await;
    testkit::eventually("the interactive work has begun", 5, || async { llm.begun() == 2 }).await;
    // The background work was given up, and waits.
    llm.until_running(1).await;
    let (text, done) = read(interactive).await;
    assert_eq!((text.as_str(), done.finish_reason.as_str()), ("word ".repeat(30).as_str(), "stop"));
    assert!(!background.is_finished());
    let (text, _) = background.await.unwrap();
    assert_eq!(text, "word ".repeat(30));
    assert_eq!(llm.begun(), 3);
    brain.stop().await;
}

#[tokio::test]
async fn background_work_that_people_stand_in_the_way_of_is_told_from_a_model_that_is_late() {
    let house = House::build().await;
    let llm = CountingLlm::default();
    let brain = impatient_brain(&house, &llm.start(usize::MAX).await).await;
    let mut somebody = Turn::open(&house, SessionId::generate(), "").await;
    somebody.commit("Go on.").await;
    somebody.next().await.unwrap();
    let begun = llm.begun();
    let patience = house.context.clone().with_deadline(Duration::from_secs(2));
    let mut background = complete_for(&house, &patience, LlmClass::Background).await;
    let given_back = background.next().await.unwrap_err();
    assert_eq!(given_back.code().as_str(), "overloaded", "{given_back}");
    assert_eq!(llm.begun(), begun, "the model was not even asked");
    drop(somebody);
    brain.stop().await;
}

/// Who waits for a model to come back must not wait for one that is there.
#[tokio::test]
async fn what_a_model_refuses_is_not_asked_for_its_return() {
    let house = House::build().await;
    let llm = StallingLlm::start(Behaviour::Status(400)).await;
    let brain = impatient_brain(&house, &llm.endpoint).await;
    for class in [LlmClass::Interactive, LlmClass::Background] {
        let input = LlmInput {
            messages: vec![LlmMessage { role: "user".into(), content: "Go on.".into() }],
            class: class.into(),
            ..LlmInput::default()
        };
        let mut call: Call<LlmInput, LlmOutput> =
            house.bus.call(&house.context, subject::LLM_REQUEST, &input, CallOptions::default()).await.unwrap();
        assert_eq!(call.next().await.unwrap_err().code().as_str(), "invalid_argument", "{class:?}");
    }
    brain.stop().await;
}

#[tokio::test]
async fn a_shape_that_is_no_json_is_refused() {
    let house = House::build().await;
    let llm = CountingLlm::default();
    let brain = impatient_brain(&house, &llm.start(1).await).await;
    let input = LlmInput {
        messages: vec![LlmMessage { role: "user".into(), content: "Go on.".into() }],
        response_schema: "{".into(),
        ..LlmInput::default()
    };
    let mut call: Call<LlmInput, LlmOutput> =
        house.bus.call(&house.context, subject::LLM_REQUEST, &input, CallOptions::default()).await.unwrap();
    assert_eq!(call.next().await.unwrap_err().code().as_str(), "invalid_argument");
    brain.stop().await;
}
