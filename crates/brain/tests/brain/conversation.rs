//! Turns with a real model: over real NATS, remembered in real Postgres.

use std::time::{Duration, Instant};

use crate::house::{House, Turn, log_entries, say};
use aether_proto::{PersonId, SentenceReply, SentenceRequest, SessionId, TenantId, TurnId, subject};
use aether_store::MemorySearch;
use aether_testkit as testkit;
use tokio::sync::Mutex;

/// The model that people get, because the small one does not see what matters in a prompt.
pub const MODEL: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m";

/// A model takes all cores that it can get: several at once would only meet their deadlines.
pub static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_turn_is_prepared_while_the_person_speaks_and_answered_when_they_are_done() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (house, llm) = tokio::join!(House::build(), testkit::llm_with(MODEL));
    let brain = house.brain(&llm.url, MODEL).await;
    testkit::eventually("all parts are up", 10, || async { brain.health.is_ready() }).await;

    let mut turn = Turn::open(&house, SessionId::generate(), "what is").await;
    turn.update("what is the capital").await;
    turn.update("what is the capital of").await;
    // Nothing comes before the commit.
    assert!(tokio::time::timeout(Duration::from_millis(700), turn.next()).await.is_err());
    let committed = Instant::now();
    turn.commit("What is the capital of France?").await;
    let answer = turn.answer().await.unwrap();
    println!("{} ms to the end: {:?}", committed.elapsed().as_millis(), answer.done);

    assert!(answer.text.contains("Paris"), "{answer:?}");
    assert_eq!(answer.text, answer.text.trim_start());
    assert!(
        answer.chunks.len() > 1 && (0..).zip(&answer.chunks).all(|(index, chunk)| index == *chunk),
        "{:?}",
        answer.chunks
    );
    assert!(answer.statuses.is_empty(), "{:?}", answer.statuses);
    let usage = answer.usage.unwrap();
    assert_eq!(usage.model, MODEL);
    assert!(usage.input_tokens > 20 && usage.output_tokens > 1);
    let done = answer.done.unwrap();
    assert_eq!(done.finish_reason, "stop");
    assert!(done.recall_ms <= done.first_token_ms && done.first_token_ms <= done.total_ms, "{done:?}");
    let own = done.first_token_ms.saturating_sub(done.model_first_token_us / 1000);
    assert!(own < 250, "{own} ms before the model was asked: {done:?}");
    brain.stop().await;
}

#[tokio::test]
async fn what_was_said_is_remembered_across_sessions_and_restarts() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (mut house, llm) = tokio::join!(House::build(), testkit::llm_with(MODEL));
    let brain = house.brain(&llm.url, MODEL).await;
    let log = house.turn_log().await;
    let kitchen = SessionId::generate();
    let words = "Hello, my name is Ada.";
    let answer = say(&house, kitchen, words).await.unwrap();
    for entry in log_entries(kitchen, TurnId::generate(), words, &answer.text) {
        log.append(&house.context.clone().with_session(kitchen), &entry).await.unwrap();
    }
    // Written, and then the process ends: only what lasts is left.
    remembered(&house, 1).await;
    brain.stop().await;

    let brain = house.brain(&llm.url, MODEL).await;
    let answer = say(&house, SessionId::generate(), "What is my name?").await.unwrap();
    assert!(answer.text.contains("Ada"), "{answer:?}");

    // Somebody else's memories stay theirs.
    house.context.tenant = TenantId::new("other").unwrap();
    let answer = say(&house, SessionId::generate(), "What is my name?").await.unwrap();
    assert!(!answer.text.contains("Ada"), "{answer:?}");
    brain.stop().await;
}

/// Waits until `count` memories are there.
pub async fn remembered(house: &House, count: usize) {
    testkit::eventually("the turn log is in the store", 20, || async { memories(house).await == count }).await;
}

async fn memories(house: &House) -> usize {
    let mut direction = vec![0.0; 384];
    direction[0] = 1.0;
    let embedding = aether_store::Embedding::new(direction).unwrap();
    let mut transaction = house.store().tenant(&house.context.tenant).await.unwrap();
    let search = MemorySearch {
        agent: &house.context.agent,
        person: &PersonId::new("guest-1").unwrap(),
        model: "all-MiniLM-L6-v2",
        embedding: &embedding,
        except: &[],
        limit: 100,
    };
    transaction.search_memories(&search).await.unwrap().len()
}

#[tokio::test]
async fn the_turn_log_becomes_rows_exactly_once() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let house = House::build().await;
    let brain = house.brain("http://127.0.0.1:9", "none").await;
    let log = house.turn_log().await;
    let session = SessionId::generate();
    let context = house.context.clone().with_session(session);
    let turns = [TurnId::generate(), TurnId::generate()];
    let entries: Vec<_> = turns.iter().flat_map(|turn| log_entries(session, *turn, "I like tea.", "Me too.")).collect();
    // A publisher that does not know whether its first attempt arrived repeats all of it.
    for entry in entries.iter().chain(&entries) {
        log.append(&context, entry).await.unwrap();
    }
    remembered(&house, 2).await;
    testkit::eventually("both turns have ended", 20, || async {
        let mut transaction = house.store().tenant(&context.tenant).await.unwrap();
        let history = transaction.history(session, None, 10).await.unwrap();
        let ended = history.iter().filter(|exchange| exchange.status == aether_store::TurnStatus::Completed).count();
        assert!(history.len() <= 2, "{history:?}");
        ended == 2 && history.iter().all(|exchange| exchange.heard == "Me too." && exchange.words == "I like tea.")
    })
    .await;
    brain.stop().await;
}

#[tokio::test]
async fn the_next_turn_knows_of_the_last_one_before_its_row_is_written() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (house, llm) = tokio::join!(House::build(), testkit::llm_with(MODEL));
    let brain = house.brain(&llm.url, MODEL).await;
    let session = SessionId::generate();
    say(&house, session, "My favourite colour is green.").await.unwrap();
    // Nobody wrote a turn log: this is what the process itself knows.
    let answer = say(&house, session, "What is my favourite colour?").await.unwrap();
    assert!(answer.text.to_lowercase().contains("green"), "{answer:?}");
    brain.stop().await;
}

/// A digit is a token of its own: these take more room than other texts of their length.
#[tokio::test]
async fn a_text_of_which_the_model_holds_less_than_of_others_is_answered_and_so_is_what_follows() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (house, llm) = tokio::join!(House::build(), testkit::llm_with(MODEL));
    let brain = house.brain(&llm.url, MODEL).await;
    let session = SessionId::generate();
    let digits = "3.14159 26535 89793 23846 26433 83279 50288 ".repeat(190);
    assert!(!say(&house, session, &digits).await.unwrap().text.is_empty());
    let answer = say(&house, session, "What is the capital of France?").await.unwrap();
    assert!(answer.text.contains("Paris"), "{answer:?}");
    brain.stop().await;
}

#[tokio::test]
async fn without_postgres_it_answers_and_says_once_what_is_missing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (mut house, llm) = tokio::join!(House::build(), testkit::llm());
    let brain = house.brain(&llm.url, &llm.model).await;
    house.postgres.kill().await;
    let session = SessionId::generate();
    let first = say(&house, session, "What is the capital of France?").await.unwrap();
    assert_eq!(first.statuses.len(), 1, "{first:?}");
    assert_eq!(first.statuses[0].code, "memory_unavailable");
    assert!(!first.text.is_empty());
    assert!(first.done.unwrap().recall_ms < 1500);
    let second = say(&house, session, "And of Spain?").await.unwrap();
    assert!(second.statuses.is_empty() && !second.text.is_empty(), "{second:?}");
    testkit::eventually("/health says so", 10, || async { !brain.is_up("postgres") }).await;

    house.postgres.restart().await;
    testkit::eventually("postgres is back", 10, || async { brain.is_up("postgres") }).await;
    let third = say(&house, SessionId::generate(), "And of Italy?").await.unwrap();
    assert!(third.statuses.is_empty(), "{third:?}");
    brain.stop().await;
}

#[tokio::test]
async fn a_model_that_dies_in_mid_answer_is_an_error_and_comes_back_by_itself() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (house, mut llm) = tokio::join!(House::build(), testkit::llm());
    let brain = house.brain(&llm.url, &llm.model).await;
    testkit::eventually("the model is up", 10, || async { brain.is_up("llm") }).await;
    let mut turn = Turn::open(&house, SessionId::generate(), "").await;
    turn.commit("Tell me a long story about the sea, with many ships and storms.").await;
    turn.next().await.unwrap();
    llm.kill().await;
    let failed = turn.answer().await.unwrap_err();
    assert_eq!(failed.code().as_str(), "llm_unavailable", "{failed}");
    testkit::eventually("/health says so", 10, || async { !brain.health.is_ready() }).await;

    llm.restart().await;
    testkit::eventually("the model is back", 10, || async { brain.health.is_ready() }).await;
    let answer = say(&house, SessionId::generate(), "What is the capital of France?").await.unwrap();
    assert!(!answer.text.is_empty());
    brain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_sentence_ends_is_asked_over_the_bus() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (house, llm) = tokio::join!(House::build(), testkit::llm());
    let brain = house.brain(&llm.url, &llm.model).await;
    let ask = async |words: String| {
        let request = SentenceRequest { words };
        house.bus.request::<_, SentenceReply>(&house.context, subject::SENTENCE_REQUEST, &request).await
    };
    let half = ask("I would like to go to the".to_owned()).await.unwrap().ends.unwrap();
    let whole = ask("I would like to go to the sea with you.".to_owned()).await.unwrap().ends.unwrap();
    assert!(half < whole && (0.0..=1.0).contains(&half) && whole <= 1.0, "{half} {whole}");
    let refused = ask("word ".repeat(20_000)).await.unwrap_err();
    assert!(refused.to_string().contains("65536"), "{refused}");
    brain.stop().await;
}
