//! What was said in one room is known in a later one, also after every service has died in between.

use aether_testkit::eventually;

use crate::house::{House, PATIENCE, TENANT};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_remembered_across_rooms_and_restarts() {
    let mut house = House::stand().await;
    let introduction = house.recite("My name is Ada.").await;
    let question = house.recite("What is my name?").await;

    let first = house.ask("kitchen", "ada", introduction).await;
    assert!(first.heard.to_lowercase().contains("name is"), "{}", first.heard);
    let name = first.heard.split_whitespace().last().unwrap().trim_matches(|c: char| !c.is_alphanumeric()).to_owned();

    remembered(&house, 1).await;

    house.agent.kill().await;
    house.brain.kill().await;
    house.tts.kill().await;
    house.postgres.kill().await;
    house.postgres.restart().await;
    house.brain.restart().await;
    house.tts.restart().await;
    house.agent.restart().await;
    house.all_ready().await;

    let second = house.ask("garage", "ada", question.clone()).await;
    assert!(second.answer.to_lowercase().contains(&name.to_lowercase()), "{name}? {}", second.answer);

    // Another person is somebody else.
    let stranger = house.ask("cellar", "bob", question).await;
    assert!(!stranger.answer.to_lowercase().contains(&name.to_lowercase()), "{name}! {}", stranger.answer);
}

/// Speech and writing are one conversation partner: what was said is known in writing, and the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_known_in_writing_and_what_is_written_when_spoken_to() {
    let mut house = House::stand().await;
    let ada = house.caller(TENANT, "ada");
    let knows = |answer: &str, word: &str| answer.to_lowercase().contains(word);

    let mut person = house.visitor(&ada, "kitchen", "Ada").await;
    let said = person.ask(house.recite("My favourite colour is purple.").await, PATIENCE).await.unwrap();
    assert!(knows(&said.heard, "purple"), "{}", said.heard);
    person.leave().await;
    remembered(&house, 1).await;
    let answer = ada.chat("What is my favourite colour?").await.answer();
    assert!(knows(&answer, "purple"), "said, and not known in writing: {answer}");
    for stranger in [house.caller(TENANT, "bob"), house.caller("acme", "ada")] {
        let answer = stranger.chat("What is my favourite colour?").await.answer();
        assert!(!knows(&answer, "purple"), "known to somebody else: {answer}");
    }

    let written = ada.chat_in("My dog is called Rex.", &[("X-Conversation-Id", "new")]).await;
    assert!(written.conversation.is_some() && !written.answer().is_empty());
    remembered(&house, 2).await;
    house.brain.kill().await;
    house.gateway.kill().await;
    house.brain.restart().await;
    house.gateway.restart().await;
    house.all_ready().await;

    let mut person = house.visitor(&ada, "garage", "Ada").await;
    let asked = person.ask(house.recite("What is my dog called?").await, PATIENCE).await.unwrap();
    assert!(knows(&asked.answer, "rex"), "written, and not known when asked aloud: {}", asked.answer);
    person.leave().await;
    let answer = ada.chat("What is my favourite colour?").await.answer();
    assert!(knows(&answer, "purple"), "forgotten over a restart: {answer}");
    let mut bob = house.visitor(&house.caller(TENANT, "bob"), "cellar", "Bob").await;
    let asked = bob.write("What is my dog called?", PATIENCE).await.unwrap();
    assert!(!knows(&asked.answer, "rex"), "known to somebody else: {}", asked.answer);
}

/// The rows are written by a consumer of the durable log, some time after the turn.
async fn remembered(house: &House, count: i64) {
    let owner = sqlx::PgPool::connect(&house.postgres.url).await.unwrap();
    eventually(&format!("{count} memories"), 30, || async {
        let memories = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM agents.memories").fetch_one(&owner).await;
        memories.unwrap() >= count
    })
    .await;
    owner.close().await;
}
