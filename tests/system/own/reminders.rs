//! What the agent is asked to say later: it says it at its time, to whom it is for, also if it was killed in between.

use aether_cli::person::Person;
use aether_testkit::eventually;

use crate::house::{House, PATIENCE, TENANT};

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_is_spoken_at_its_time_and_waits_for_who_is_not_there() {
    let mut house = House::stand().await;
    let (calls, ben) = (house.caller(TENANT, "ada"), house.caller(TENANT, "ben"));

    // Set in writing, due while its person is in no room and nobody is there to see to it.
    let told = calls.chat("Remind me in one second to drink some water.").await.answer();
    assert!(told.contains("I'll remind you"), "{told}");
    house.scheduler.kill().await;
    let tasks = calls.get("/v1/tasks?kind=reminder").await.json;
    let task = &tasks["data"][0];
    assert_eq!(
        (task["kind"].as_str(), task["payload"]["about"].as_str()),
        (Some("reminder"), Some("drink some water"))
    );
    let path = format!("/v1/tasks/{}", task["job_id"].as_str().unwrap());
    assert_eq!(ben.get("/v1/tasks").await.json["data"].as_array().map(Vec::len), Some(0), "it is nobody else's");
    assert_eq!(ben.get(&path).await.status, 404);
    house.scheduler.restart().await;

    let mut ada = house.visitor(&calls, "kitchen", "Ada").await;
    until_told(&mut ada, "drink some water").await;
    eventually("the task is done", 20, || async { calls.get(&path).await.json["state"] == "COMMITTED" }).await;

    // Set aloud.
    let asked = ada.ask(house.recite("Remind me in five seconds to feed the cat.").await, PATIENCE).await.unwrap();
    assert!(asked.answer.contains("I'll remind you in five seconds"), "{}: {}", asked.heard, asked.answer);
    until_told(&mut ada, "cat").await;
}

async fn until_told(person: &mut Person, about: &str) {
    let mut captions = Vec::new();
    eventually(&format!("the reminder to {about} is spoken"), 60, || {
        captions.extend(person.captions());
        let is_told = captions.iter().any(|(_, text)| text.contains("Here is your reminder") && text.contains(about));
        async move { is_told }
    })
    .await;
}
