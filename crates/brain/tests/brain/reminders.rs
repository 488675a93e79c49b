//! What the agent is asked to say later: read from the words, handed to the scheduler, and claimed only once it was taken.

use std::sync::{Arc, Mutex};

use aether_proto::{Error, JobId, JobState, KernelReply, KernelRequest, Open, SessionId, TurnId, subject};
use aether_testkit::{Script, ScriptedLlm};
use serde_json::json;

use crate::house::{Answer, House, Turn};
use crate::tools::{questions, scripted_brain};

async fn ask(house: &House, text: &str, change: impl FnOnce(&mut Open)) -> Answer {
    let mut turn = Turn::open_with(house, SessionId::generate(), TurnId::generate(), change).await;
    turn.commit(text).await;
    turn.answer().await.unwrap()
}

#[tokio::test]
async fn a_reminder_is_confirmed_by_the_tool_alone_and_only_when_it_was_taken() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words(["Certainly, it is done."])]).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;
    let wish = "Remind me in ten minutes to take the cake out.";
    let told = ask(&house, wish, |_| {}).await;
    assert_eq!(told.text, "Sorry, I can't set reminders right now.", "nobody schedules anything");

    let taken: Arc<Mutex<Vec<KernelRequest>>> = Arc::default();
    let heard = Arc::clone(&taken);
    let _scheduler = house
        .bus
        .answer(subject::JOBS_SUBMIT, move |_, request: KernelRequest| {
            heard.lock().unwrap().push(request);
            let reply = KernelReply {
                job_id: JobId::generate().to_string(),
                state: JobState::Scheduled.into(),
                existed: false,
            };
            std::future::ready(Ok::<_, Error>(reply))
        })
        .await
        .unwrap();
    for (words, answer) in [
        (wish, "All right, I'll remind you in ten minutes."),
        ("Remind me every Monday at nine of the bins.", "All right, I'll remind you every Monday at 9 AM."),
        ("Remind me to breathe.", "When should I remind you?"),
        ("What are my reminders?", "You have no reminders."),
        ("Cancel my reminder about the dentist.", "You have no reminders."),
    ] {
        let told = ask(&house, words, |_| {}).await;
        assert_eq!(told.text, answer, "{words}");
        assert_eq!(told.tool_results.len(), 1, "{words}");
    }
    let told = ask(&house, wish, |open| open.off_the_record = true).await;
    assert!(told.text.contains("off the record"), "{}", told.text);
    let told = ask(&house, wish, |open| open.person_id = String::new()).await;
    assert!(!told.text.contains("I'll remind you"), "nobody in particular can't be reminded: {}", told.text);

    let taken = taken.lock().unwrap().clone();
    let [once, repeated] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!((once.kind.as_str(), once.person_id.as_str()), ("reminder", "guest-1"));
    assert_eq!(once.payload, json!({ "about": "take the cake out" }).to_string());
    assert!(once.due_unix_ms > 0 && once.recurrence.is_none() && !once.idempotency_key.is_empty());
    assert_eq!(repeated.recurrence.as_ref().map(|recurrence| recurrence.cron.as_str()), Some("0 9 * * 1"));
    assert!(questions(&llm).len() <= 1, "the model is asked for nothing but the answer to nobody in particular");
    brain.stop().await;
}
