//! What a session was about is told once it has gone quiet, and no longer than what it tells of is there.

use std::time::Duration;

use aether_proto::{PersonId, SessionId};
use aether_store::{Login, SessionQuery};
use aether_testkit::ScriptedLlm;
use serde_json::json;

use crate::house::House;
use crate::mind::{Mind, Said, job_about, says};

const KIND: &str = "session_summary";

async fn title_and_summary(house: &House, session: SessionId) -> (String, String) {
    let mut transaction = house.store_of(Login::Brain).tenant(&house.context.tenant).await.unwrap();
    let query = SessionQuery { agent: &house.context.agent, person: None, before: None, limit: 10 };
    let sessions = transaction.sessions(&query).await.unwrap();
    let session = sessions.into_iter().find(|one| one.session == session).unwrap();
    (session.title, session.summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_gone_quiet_is_summarised_once_and_forgotten_with_its_turns() {
    let house = House::build().await;
    let good = json!({ "title": "A dog called Rex", "summary": "They talked about Ada's dog, which is ill." });
    let llm = ScriptedLlm::start([says("They talked about a dog."), says(&good.to_string())]).await;
    let scheduler = house.scheduler().await;
    let mind = Mind::with(&house, &llm.endpoint, |options| {
        options.learn_after = Duration::from_secs(3_600);
        options.summarise_after = Duration::from_secs(4);
    })
    .await;
    let first = Said::now("I have a dog called Rex.", "A fine name.");
    let last = Said { session: first.session, ..Said::now("He is ill.", "I am sorry to hear that.") };
    mind.hear(&house, &first).await;
    mind.hear(&house, &last).await;
    let early = job_about(&house, KIND, &first.turn.to_string()).await.job;
    let late = job_about(&house, KIND, &last.turn.to_string()).await.job;
    house.until(early, "COMMITTED").await;
    house.until(late, "COMMITTED").await;
    let kept = |job: aether_store::JobRow| job.result.unwrap()["kept"].clone();
    assert_eq!((kept(house.job(early).await), kept(house.job(late).await)), (json!(false), json!(true)));
    assert_eq!((house.job(late).await.failures, llm.requests().len()), (1, 2), "prose is no summary");
    let told = title_and_summary(&house, first.session).await;
    assert_eq!((json!(told.0), json!(told.1)), (good["title"].clone(), good["summary"].clone()));
    let shown = llm.requests()[1]["messages"][1]["content"].as_str().unwrap().to_owned();
    assert!(shown.contains("Ada: I have a dog called Rex.\nAssistant: A fine name.\nAda: He is ill."), "{shown}");

    let mut transaction = house.store_of(Login::Brain).tenant(&house.context.tenant).await.unwrap();
    let ada = PersonId::new("ada").unwrap();
    assert_eq!(transaction.forget_turns(&house.context.agent, &ada, &[first.turn]).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    assert_eq!(title_and_summary(&house, first.session).await, (String::new(), String::new()));
    scheduler.stop().await;
}
