//! What was said in one room is known in a later one, also after every service has died in between.

use aether_testkit::eventually;

use crate::house::{House, ready};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_remembered_across_rooms_and_restarts() {
    let mut house = House::stand().await;
    let introduction = house.recite("My name is Ada.").await;
    let question = house.recite("What is my name?").await;

    let first = house.ask("kitchen", "ada", introduction).await;
    assert!(first.heard.to_lowercase().contains("name is"), "{}", first.heard);
    let name = first.heard.split_whitespace().last().unwrap().trim_matches(|c: char| !c.is_alphanumeric()).to_owned();

    // The rows are written by a consumer of the durable log, some time after the turn.
    let owner = sqlx::PgPool::connect(&house.postgres.url).await.unwrap();
    eventually("the turn is remembered", 30, || async {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM agents.memories").fetch_one(&owner).await;
        count.unwrap() > 0
    })
    .await;
    owner.close().await;

    house.agent.kill().await;
    house.brain.kill().await;
    house.tts.kill().await;
    house.postgres.kill().await;
    house.postgres.restart().await;
    house.brain.restart().await;
    house.tts.restart().await;
    house.agent.restart().await;
    for server in [&house.brain, &house.tts, &house.agent] {
        ready(server).await;
    }

    let second = house.ask("garage", "ada", question.clone()).await;
    assert!(second.answer.to_lowercase().contains(&name.to_lowercase()), "{name}? {}", second.answer);

    // Another person is somebody else.
    let stranger = house.ask("cellar", "bob", question).await;
    assert!(!stranger.answer.to_lowercase().contains(&name.to_lowercase()), "{name}! {}", stranger.answer);
}
