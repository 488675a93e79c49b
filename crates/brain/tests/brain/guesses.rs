//! Answers that are begun while it is open whether the person is done: told at once, and without effect until the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::failing_models::CountingLlm;
use crate::house::{House, Turn, say};
use crate::tools::{GOOD_CALL, REMEMBER, after_reading_ahead, contents, facts, questions, scripted_brain};
use aether_proto::{Held, SessionId, TurnId, brain_output};
use aether_settings::OfferTools;
use aether_testkit::{self as testkit, Script, ScriptedLlm};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

const QUESTION: &str = "What is the capital of France?";

/// The text of the next `chunks` outputs, which may be nothing else.
async fn told(turn: &mut Turn, chunks: usize) -> String {
    let mut text = String::new();
    for _ in 0..chunks {
        match turn.next().await.unwrap() {
            Some(brain_output::Output::TextChunk(chunk)) => text.push_str(&chunk.text),
            other => panic!("not text: {other:?}"),
        }
    }
    text
}

/// It says that what comes next waits for the commit, and then nothing.
async fn is_held(turn: &mut Turn) -> bool {
    let next = turn.next().await.unwrap();
    assert_eq!(next, Some(brain_output::Output::Held(Held {})));
    is_quiet(turn).await
}

async fn is_quiet(turn: &mut Turn) -> bool {
    tokio::time::timeout(Duration::from_millis(400), turn.next()).await.is_err()
}

/// A turn whose prompt has been read ahead, so that the next request is its answer's.
async fn open_and_read_ahead(house: &House, session: SessionId, llm: &ScriptedLlm) -> Turn {
    let before = llm.requests().len();
    let turn = Turn::open(house, session, "").await;
    testkit::eventually("the prompt is read ahead", 5, || async { llm.requests().len() == before + 1 }).await;
    turn
}

#[tokio::test]
async fn an_answer_is_told_before_the_commit_and_asked_for_once() {
    let house = House::build().await;
    let script = Script { pause: Duration::from_millis(100), ..Script::words(["It is ", "Paris", ", I ", "think."]) };
    let llm = ScriptedLlm::start([script]).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;

    // Committed in mid-answer.
    let session = SessionId::generate();
    let mut turn = Turn::open(&house, session, "what is").await;
    turn.update("What is the capital of").await;
    turn.guess(QUESTION).await;
    assert_eq!(told(&mut turn, 1).await, "It is ");
    turn.commit(QUESTION).await;
    let answer = turn.answer().await.unwrap();
    assert_eq!((answer.text.as_str(), answer.chunks.as_slice()), ("Paris, I think.", [1, 2, 3].as_slice()));
    assert!(answer.usage.is_some());
    let done = answer.done.unwrap();
    assert_eq!((done.finish_reason.as_str(), done.recall_ms, done.first_token_ms), ("stop", 0, 0), "{done:?}");
    assert!(done.model_first_token_us > 0 && done.model_embed_us == 0, "{done:?}");
    assert_eq!(questions(&llm).len(), 1);

    // What was committed is remembered, with the whole answer.
    say(&house, session, "And of Spain?").await.unwrap();
    let asked = questions(&llm).pop().unwrap();
    assert_eq!(contents(&asked)[1..3], [("user", QUESTION), ("assistant", "It is Paris, I think.")]);

    // Committed when all is told, in the same words.
    let mut turn = Turn::open(&house, SessionId::generate(), "").await;
    turn.guess(QUESTION).await;
    assert_eq!(told(&mut turn, 4).await, "It is Paris, I think.");
    assert!(is_held(&mut turn).await, "neither usage nor done before the commit");
    let committed = Instant::now();
    turn.commit(" What is the capital  of France?\n").await;
    let answer = turn.answer().await.unwrap();
    println!("{} µs from the commit to the end", committed.elapsed().as_micros());
    assert!(answer.text.is_empty() && answer.usage.is_some(), "{answer:?}");
    let done = answer.done.unwrap();
    assert!(done.finish_reason == "stop" && done.first_token_ms == 0 && done.total_ms < 100, "{done:?}");
    assert_eq!(questions(&llm).len(), 3);
    brain.stop().await;
}

#[tokio::test]
async fn what_is_not_committed_leaves_nothing() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words(["Paris."])]).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;
    let session = SessionId::generate();
    let mut turn = Turn::open(&house, session, "").await;
    turn.guess(QUESTION).await;
    assert_eq!(told(&mut turn, 1).await, "Paris.");
    turn.call.cancel();
    assert!(matches!(turn.answer().await, Err(aether_bus::Error::Cancelled { .. })));

    for (words, earlier) in [("And of Spain?", 0), ("And of Italy?", 2)] {
        say(&house, session, words).await.unwrap();
        let asked = questions(&llm).pop().unwrap();
        assert_eq!(contents(&asked).len(), 1 + earlier + 1, "{asked}");
        assert!(!asked.to_string().contains(QUESTION), "{asked}");
    }
    let mut transaction = house.store().tenant(&house.context.tenant).await.unwrap();
    assert!(transaction.history(session, None, 10).await.unwrap().is_empty());
    brain.stop().await;
}

#[tokio::test]
async fn a_caller_who_gives_a_guess_up_stops_the_model() {
    let house = House::build().await;
    let llm = CountingLlm::default();
    let brain = house.brain(&llm.start(usize::MAX).await, "test").await;
    let mut turn = Turn::open(&house, SessionId::generate(), "").await;
    testkit::eventually("the prompt is read ahead", 5, || async { llm.begun() == 1 }).await;
    llm.until_running(0).await;
    turn.guess("Go on.").await;
    told(&mut turn, 3).await;
    llm.until_running(1).await;
    let gone = Instant::now();
    turn.call.cancel();
    llm.until_running(0).await;
    println!("the model was left {} ms after the guess was given up", gone.elapsed().as_millis());
    assert_eq!(llm.begun(), 2);
    brain.stop().await;
}

#[tokio::test]
async fn a_tool_waits_for_the_commit() {
    let house = House::build().await;
    let forget = "{\"name\": \"forget\", \"arguments\": {\"topic\": \"locker\"}}";
    let fact = vec!["My locker number is 42.".to_owned()];
    // Whom the model is shown, what is said, what the model asks for, which tool that is, the facts known afterwards.
    let cases = [
        (OfferTools::Relevant, REMEMBER, Some(Script::words([GOOD_CALL])), "remember", fact.clone()),
        (
            OfferTools::Always,
            "Shall I go to bed?",
            Some(Script::call("current_time", "{}")),
            "current_time",
            fact.clone(),
        ),
        (OfferTools::Relevant, "What time is it?", None, "current_time", fact),
        (
            OfferTools::Relevant,
            "Forget what I told you about my locker.",
            Some(Script::words([forget])),
            "forget",
            Vec::new(),
        ),
    ];
    for (tools, words, call, name, afterwards) in cases {
        let before = facts(&house).await;
        let is_asked = call.is_some();
        let call = call.unwrap_or_else(|| Script::words(["."]));
        let scripts = [call.clone(), Script::words(["."]), call, Script::words(["It is late."])];
        let llm = ScriptedLlm::start(after_reading_ahead(scripts)).await;
        let brain = scripted_brain(&house, &llm, |options| options.tools = tools).await;
        for commits in [false, true] {
            let asked_before = questions(&llm).len();
            let mut turn = open_and_read_ahead(&house, SessionId::generate(), &llm).await;
            turn.guess(words).await;
            let asked = asked_before + usize::from(is_asked);
            testkit::eventually("the model is asked", 5, || async { questions(&llm).len() == asked }).await;
            assert!(is_held(&mut turn).await, "{words}");
            assert_eq!((facts(&house).await, questions(&llm).len()), (before.clone(), asked), "{words}");
            if !commits {
                turn.call.cancel();
                assert!(matches!(turn.answer().await, Err(aether_bus::Error::Cancelled { .. })), "{words}");
                continue;
            }
            turn.commit(words).await;
            let answer = turn.answer().await.unwrap();
            let [result] = answer.tool_results.as_slice() else { panic!("{answer:?}") };
            assert!(result.ok && result.name == name && !answer.text.is_empty(), "{answer:?}");
            let looked = answer.statuses.iter().any(|status| status.code == "looking");
            assert_eq!(looked, name == "forget", "{answer:?}");
            let done = answer.done.unwrap();
            let waited = done.model_first_token_us / 1000;
            assert!(waited < 400, "the wait for the person is not the model's: {done:?}");
        }
        assert_eq!(facts(&house).await, afterwards, "{words}");
        brain.stop().await;
    }
}

#[tokio::test]
async fn after_a_guess_nothing_but_its_own_commit_is_taken() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::even(100, Duration::ZERO, Duration::from_millis(50))]).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;
    for kind in ["commit", "update", "guess"] {
        let mut turn = Turn::open(&house, SessionId::generate(), "").await;
        turn.guess(QUESTION).await;
        told(&mut turn, 1).await;
        match kind {
            "commit" => turn.commit("What is the capital of Spain?").await,
            "update" => turn.update("What is the capital of France? And").await,
            _ => turn.guess("What is the capital of France? And of Spain?").await,
        }
        let failed = turn.answer().await.unwrap_err();
        assert_eq!(failed.code().as_str(), "invalid_argument", "{kind}: {failed}");
        assert!(failed.to_string().contains("open the turn anew"), "{kind}: {failed}");
    }
    let mut turn = Turn::open(&house, SessionId::generate(), "").await;
    turn.guess(" ").await;
    let failed = turn.answer().await.unwrap_err();
    assert_eq!(failed.code().as_str(), "invalid_argument", "{failed}");
    brain.stop().await;
}

#[tokio::test]
async fn what_an_older_attempt_guesses_or_commits_is_dropped() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words(["Paris."])]).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;
    let mut turn = Turn::open_as(&house, SessionId::generate(), TurnId::generate(), 5, "").await;
    turn.generation = 4;
    turn.guess(QUESTION).await;
    assert!(is_quiet(&mut turn).await);
    turn.generation = 6;
    turn.guess(QUESTION).await;
    assert_eq!(told(&mut turn, 1).await, "Paris.");
    turn.generation = 5;
    turn.update("What is").await;
    turn.commit(QUESTION).await;
    assert!(is_held(&mut turn).await);
    turn.generation = 6;
    turn.commit(QUESTION).await;
    assert!(turn.answer().await.unwrap().done.is_some());
    assert_eq!(questions(&llm).len(), 1);
    brain.stop().await;
}

/// Hangs up after what it says, or refuses where that is nothing. Counts what it is asked for an answer.
#[derive(Clone)]
struct FailingLlm {
    says: Option<&'static str>,
    asked: Arc<AtomicUsize>,
}

impl FailingLlm {
    async fn start(&self) -> String {
        let failing = self.clone();
        let answer = async move |Json(request): Json<Value>| {
            if request["max_tokens"] != 1 {
                failing.asked.fetch_add(1, Ordering::SeqCst);
            }
            // A prompt that is refused would be asked again, shorter.
            let Some(says) = failing.says else { return StatusCode::NOT_FOUND.into_response() };
            let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": says } }] });
            format!("data: {chunk}\n\ndata: {{\"choices\"").into_response()
        };
        let router = Router::new().route("/v1/chat/completions", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_model_that_fails_on_a_guess_is_asked_again_when_the_person_is_done() {
    let house = House::build().await;
    let script = after_reading_ahead([Script::words([]), Script::words(["Paris."])]);
    let llm = ScriptedLlm::start(script).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;
    let mut turn = open_and_read_ahead(&house, SessionId::generate(), &llm).await;
    turn.guess(QUESTION).await;
    testkit::eventually("the model is asked", 5, || async { questions(&llm).len() == 1 }).await;
    assert!(is_held(&mut turn).await);
    turn.commit(QUESTION).await;
    let answer = turn.answer().await.unwrap();
    assert_eq!((answer.text.as_str(), questions(&llm).len()), ("Paris.", 2));
    brain.stop().await;

    // It fails for good; what had been told of the answer is not told again.
    for (says, chunks, asked) in [(None, 0, 2), (Some("half "), 1, 1)] {
        let llm = FailingLlm { says, asked: Arc::default() };
        let brain = house.brain(&llm.start().await, "test").await;
        let mut turn = Turn::open(&house, SessionId::generate(), "").await;
        turn.guess(QUESTION).await;
        testkit::eventually("the model is asked", 5, || async { llm.asked() == 1 }).await;
        told(&mut turn, chunks).await;
        assert!(is_held(&mut turn).await);
        turn.commit(QUESTION).await;
        let failed = turn.answer().await.unwrap_err();
        assert_eq!((failed.code().as_str(), llm.asked()), ("llm_unavailable", asked), "{failed}");
        brain.stop().await;
    }
}

#[tokio::test]
async fn a_guess_that_nobody_commits_ends_by_itself() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words(["Paris."])]).await;
    let limit = Duration::from_secs(1);
    let brain = scripted_brain(&house, &llm, |options| options.open_limit = limit).await;
    let mut turn = Turn::open(&house, SessionId::generate(), "").await;
    turn.guess(QUESTION).await;
    assert_eq!(told(&mut turn, 1).await, "Paris.");
    let failed = turn.answer().await.unwrap_err();
    assert_eq!(failed.code().as_str(), "deadline_exceeded", "{failed}");
    brain.stop().await;
}

#[tokio::test]
async fn that_memory_is_missing_is_said_with_the_first_answer_that_is_committed() {
    let mut house = House::build().await;
    let llm = ScriptedLlm::start([Script::words(["Paris."])]).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;
    house.postgres.kill().await;
    let session = SessionId::generate();
    for commits in [false, true] {
        let mut turn = Turn::open(&house, session, "").await;
        turn.guess(QUESTION).await;
        assert_eq!(told(&mut turn, 1).await, "Paris.");
        assert!(is_held(&mut turn).await);
        if commits {
            turn.commit(QUESTION).await;
            let answer = turn.answer().await.unwrap();
            let codes: Vec<_> = answer.statuses.iter().map(|status| status.code.as_str()).collect();
            assert_eq!(codes, ["memory_unavailable"]);
        }
    }
    brain.stop().await;
}
