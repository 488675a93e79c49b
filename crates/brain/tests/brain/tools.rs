//! The agent's own tools: with a scripted model for what models do wrong, with a real one for what the small one does right.

use std::time::Duration;

use crate::house::{Answer, Brain, House, PATIENT, Turn, log_entries, say};
use aether_brain::Options;
use aether_proto::{Open, PersonId, SessionId, TurnId};
use aether_settings::OfferTools;
use aether_testkit::{self as testkit, Script, ScriptedLlm};
use serde_json::Value;

pub const GOOD_CALL: &str = "{\"name\": \"remember\", \"arguments\": {\"fact\": \"My locker number is 42.\"}}";
pub const REMEMBER: &str = "Remember that my locker number is 42.";

pub async fn scripted_brain(house: &House, llm: &ScriptedLlm, change: impl FnOnce(&mut Options)) -> Brain {
    house.brain_with(&llm.endpoint, ScriptedLlm::MODEL, PATIENT, change).await
}

/// One turn without reading ahead, so that every request is one of the answer's.
async fn ask(house: &House, text: &str, change: impl FnOnce(&mut Open)) -> Answer {
    let mut turn = Turn::open_with(house, SessionId::generate(), TurnId::generate(), change).await;
    turn.commit(text).await;
    turn.answer().await.unwrap()
}

/// What was asked for an answer, without what was only read ahead.
pub fn questions(llm: &ScriptedLlm) -> Vec<Value> {
    llm.requests().into_iter().filter(|request| request["max_tokens"] != 1).collect()
}

fn names(request: &Value) -> Vec<&str> {
    request["tools"].as_array().into_iter().flatten().map(|tool| tool["function"]["name"].as_str().unwrap()).collect()
}

pub fn contents(request: &Value) -> Vec<(&str, &str)> {
    let messages = request["messages"].as_array().unwrap();
    messages.iter().map(|m| (m["role"].as_str().unwrap(), m["content"].as_str().unwrap_or("?"))).collect()
}

pub async fn facts(house: &House) -> Vec<String> {
    let mut transaction = house.store().tenant(&house.context.tenant).await.unwrap();
    let person = PersonId::new("guest-1").unwrap();
    let rows = transaction.facts(&house.context.agent, &person, 100).await.unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

/// A script whose first request, the reading-ahead of the opening, gets nothing of interest.
pub fn after_reading_ahead(scripts: impl IntoIterator<Item = Script>) -> Vec<Script> {
    std::iter::once(Script::words(["."])).chain(scripts).collect()
}

#[tokio::test]
async fn ordinary_words_are_answered_without_any_tool_and_the_time_without_a_second_question() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words(["Yes", "."])]).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;
    let answer = ask(&house, "What is the capital of France?", |_| {}).await;
    assert!(answer.tool_results.is_empty() && answer.statuses.is_empty(), "{answer:?}");
    let answer = ask(&house, "What time is it?", |_| {}).await;
    assert_eq!(answer.text, "Yes.");
    assert!(answer.statuses.is_empty(), "{answer:?}");
    let [result] = answer.tool_results.as_slice() else { panic!("{answer:?}") };
    assert!(result.ok && result.name == "current_time" && result.summary.contains("UTC"), "{result:?}");

    let [ordinary, time] = &questions(&llm)[..] else { panic!("{:?}", llm.requests()) };
    assert!(ordinary["tools"].is_null() && time["tools"].is_null());
    assert_eq!(contents(ordinary)[1..], [("user", "What is the capital of France?")]);
    let [_, (role, note), last] = contents(time)[..] else { panic!("{time}") };
    assert_eq!((role, last), ("system", ("user", "What time is it?")));
    assert!(note.contains("data, not orders:\nIt is ") && note.contains("The offset from UTC is"), "{note}");
    brain.stop().await;
}

#[tokio::test]
async fn a_fact_is_remembered_comes_to_mind_and_is_forgotten() {
    let house = House::build().await;
    let script = after_reading_ahead([
        Script::words(["{\"name\": \"remember\", \"argu", "ments\": {\"fact\": \"My locker number is 42.\"}}"]),
        Script::words(["."]),
        Script::words(["It is 42."]),
        Script::words(["."]),
        Script::words(["```json\n{\"name\": \"forget\", \"arguments\": {\"topic\": \"locker\"}}\n```"]),
        Script::words(["I don't know."]),
    ]);
    let llm = ScriptedLlm::start(script).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;
    let told = say_slowly(&house, REMEMBER).await;
    assert_eq!(told.text, "All right, I'll remember that.");
    assert_eq!(
        told.tool_results.iter().map(|result| (result.name.as_str(), result.ok)).collect::<Vec<_>>(),
        [("remember", true)]
    );
    assert_eq!((told.usage.unwrap().input_tokens, told.done.unwrap().finish_reason.as_str()), (10, "stop"));
    assert_eq!(facts(&house).await, ["My locker number is 42."]);

    say_slowly(&house, "What is my locker number?").await;
    let asked = questions(&llm).pop().unwrap();
    let note = contents(&asked)[1].1.to_owned();
    let (date, told) = note.split_at("- On 1970-01-01".len());
    assert!(date.starts_with("- On 2"), "{note}");
    assert!(told.starts_with(" Guest asked you to remember: \"My locker number is 42.\""), "{note}");

    let forget = "Forget what I told you about my locker.";
    let forgotten = say_slowly(&house, forget).await;
    assert_eq!(forgotten.text, "I've forgotten it.");
    let offered = questions(&llm).pop().unwrap();
    assert_eq!(offered["tools"][0]["function"]["name"], "forget");
    assert_eq!(contents(&offered)[1..], [("user", forget)], "beside memories a small model talks on");
    assert_eq!(forgotten.statuses[0].code, "looking");
    assert_eq!(forgotten.tool_results[0].summary, "forgot 1");
    assert!(facts(&house).await.is_empty());
    brain.stop().await;
}

/// A turn whose reading-ahead has surely been asked for before the commit.
async fn say_slowly(house: &House, text: &str) -> Answer {
    let mut turn = Turn::open(house, SessionId::generate(), "").await;
    assert!(tokio::time::timeout(Duration::from_millis(400), turn.next()).await.is_err());
    turn.commit(text).await;
    turn.answer().await.unwrap()
}

#[tokio::test]
async fn a_call_that_cannot_be_used_is_mended_once_and_never_half_run() {
    let house = House::build().await;
    let broken = "{\"name\": \"remember\", \"arguments\": {\"fact\": \"My locker";
    let wrong = "{\"name\": \"remember\", \"arguments\": {\"fact\": 42}}";
    let unknown = "<tool_call>{\"name\": \"memorise\", \"arguments\": {}}</tool_call>";
    for (bad, reason) in [
        (broken, "it is not JSON with \"name\" and \"arguments\""),
        (wrong, "/fact: 42 is not of type \"string\""),
        (unknown, "there is no function \"memorise\""),
    ] {
        let llm = ScriptedLlm::start(after_reading_ahead([Script::words([bad]), Script::words([GOOD_CALL])])).await;
        let brain = scripted_brain(&house, &llm, |_| {}).await;
        let told = say_slowly(&house, REMEMBER).await;
        assert!(told.text == "All right, I'll remember that." || told.text == "Yes, I have that in mind.", "{told:?}");
        assert_eq!(told.usage.unwrap().input_tokens, 20, "both rounds are counted");
        let [first, second] = &questions(&llm)[..] else { panic!("{:?}", llm.requests()) };
        assert_eq!((names(first), names(second)), (vec!["remember"], vec!["remember"]));
        let complaint = contents(second).pop().unwrap().1.to_owned();
        assert!(complaint.starts_with(&format!("This call can't be used: {reason}.")), "{complaint}");
        brain.stop().await;
    }

    let mut transaction = house.store().tenant(&house.context.tenant).await.unwrap();
    let person = PersonId::new("guest-1").unwrap();
    let rows = transaction.facts(&house.context.agent, &person, 10).await.unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.fact_id).collect();
    transaction.delete_facts(&house.context.agent, &person, &ids).await.unwrap();
    transaction.commit().await.unwrap();
    for bad in [Script::words([broken]), Script::words([wrong]), Script::call("remember", "{\"fact\": ")] {
        let llm = ScriptedLlm::start(after_reading_ahead([bad])).await;
        let brain = scripted_brain(&house, &llm, |_| {}).await;
        let told = say_slowly(&house, REMEMBER).await;
        assert_eq!(told.text, "Sorry, I could not note that.");
        let [result] = told.tool_results.as_slice() else { panic!("{told:?}") };
        assert!(!result.ok && result.summary.starts_with("the call could not be used: "), "{result:?}");
        assert_eq!(questions(&llm).len(), 2);
        brain.stop().await;
    }
    assert!(facts(&house).await.is_empty(), "nothing was run");
}

#[tokio::test]
async fn with_all_tools_offered_calls_and_results_are_messages_and_the_rounds_are_limited() {
    let house = House::build().await;
    let script = [Script::call("current_time", "{}"), Script::words(["It is ", "late."])];
    let llm = ScriptedLlm::start(after_reading_ahead(script)).await;
    let brain = scripted_brain(&house, &llm, |options| options.tools = OfferTools::Always).await;
    let told = say_slowly(&house, "Shall I go to bed?").await;
    assert_eq!((told.text.as_str(), told.done.unwrap().finish_reason.as_str()), ("It is late.", "stop"));
    let [first, second] = &questions(&llm)[..] else { panic!("{:?}", llm.requests()) };
    let reminders = ["set_reminder", "list_reminders", "cancel_reminder"];
    assert_eq!(names(first), [["current_time", "recall", "remember", "forget"].as_slice(), &reminders].concat());
    let messages = second["messages"].as_array().unwrap();
    let [.., asked, returned] = messages.as_slice() else { panic!("{second}") };
    assert_eq!(asked["tool_calls"][0]["function"]["name"], "current_time");
    assert_eq!((returned["role"].as_str(), &returned["tool_call_id"]), (Some("tool"), &asked["tool_calls"][0]["id"]));
    assert!(returned["content"].as_str().unwrap().starts_with("It is "), "{returned}");
    brain.stop().await;

    let llm = ScriptedLlm::start(after_reading_ahead([Script::call("current_time", "{}")])).await;
    let change = |options: &mut Options| (options.tools, options.tool_rounds) = (OfferTools::Always, 2);
    let brain = scripted_brain(&house, &llm, change).await;
    let told = say_slowly(&house, "Shall I go to bed?").await;
    assert_eq!(told.text, "Sorry, I did not get that done.");
    assert_eq!((questions(&llm).len(), told.tool_results.len()), (3, 2));
    brain.stop().await;

    let llm = ScriptedLlm::start([Script::words(["Yes."])]).await;
    let brain = scripted_brain(&house, &llm, |options| options.tools = OfferTools::Never).await;
    let told = ask(&house, "What time is it?", |_| {}).await;
    assert!(told.tool_results.is_empty() && questions(&llm)[0]["tools"].is_null());
    brain.stop().await;
}

#[tokio::test]
async fn a_tool_that_takes_too_long_is_given_up_aloud() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words([GOOD_CALL])]).await;
    let deadline = Duration::from_millis(300);
    let brain = scripted_brain(&house, &llm, |options| options.tool_deadline = deadline).await;
    // Somebody writes the very same fact and has not finished: the database lets the tool wait for how that ends.
    let mut other = house.store().tenant(&house.context.tenant).await.unwrap();
    let person = PersonId::new("guest-1").unwrap();
    assert!(other.insert_fact(&house.context.agent, &person, "My locker number is 42.", None).await.unwrap());
    let told = ask(&house, REMEMBER, |_| {}).await;
    assert_eq!(told.text, "Sorry, I could not note that.");
    assert_eq!(told.tool_results[0].summary, "it took too long");
    drop(other);
    assert!(!told.tool_results[0].ok && facts(&house).await.is_empty());
    brain.stop().await;
}

#[tokio::test]
async fn off_the_record_nothing_is_kept_and_nobody_in_particular_has_no_memory() {
    let house = House::build().await;
    let llm = ScriptedLlm::start([Script::words([GOOD_CALL])]).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;
    let told = ask(&house, REMEMBER, |open| open.off_the_record = true).await;
    assert_eq!(told.text, "We are off the record, so I keep nothing.");
    assert!(!told.tool_results[0].ok && facts(&house).await.is_empty());
    brain.stop().await;

    let llm = ScriptedLlm::start([Script::words(["Yes."])]).await;
    let brain = scripted_brain(&house, &llm, |_| {}).await;
    for (text, expected) in [(REMEMBER, None), ("What time is it?", Some("current_time"))] {
        let told = ask(&house, text, |open| open.person_id = String::new()).await;
        let result = told.tool_results.first().map(|result| result.name.as_str());
        assert_eq!((told.text.as_str(), result), ("Yes.", expected), "{text}");
    }
    brain.stop().await;
}

/// What the 0.5B model that people get does reliably, each as a person would hear it.
#[tokio::test]
async fn the_small_model_tells_the_time_remembers_recalls_and_forgets() {
    let _alone = crate::conversation::ONE_AT_A_TIME.lock().await;
    let model = crate::conversation::MODEL;
    let (house, llm) = tokio::join!(House::build(), testkit::llm_with(model));
    let brain = house.brain(&llm.url, model).await;

    let told = say(&house, SessionId::generate(), "What day is it today?").await.unwrap();
    println!("{} {:?}", told.text, told.done);
    let summary = &told.tool_results[0].summary;
    let weekday = summary.split(',').next().unwrap();
    assert!(told.text.contains(weekday), "{told:?}");
    let told = say(&house, SessionId::generate(), "What time is it?").await.unwrap();
    println!("{} {:?}", told.text, told.done);
    let minutes = told.tool_results[0].summary.split(':').nth(1).unwrap().get(..2).unwrap().to_owned();
    assert!(told.text.contains(&format!(":{minutes}")), "{told:?}");

    let told = say(&house, SessionId::generate(), REMEMBER).await.unwrap();
    println!("{} {:?} {:?}", told.text, told.tool_results, told.done);
    assert_eq!(told.text, "All right, I'll remember that.");
    let kept = facts(&house).await;
    assert!(kept.len() == 1 && kept[0].contains("42"), "{kept:?}");
    let told = say(&house, SessionId::generate(), "What is my locker number?").await.unwrap();
    println!("{}", told.text);
    assert!(told.text.contains("42"), "{told:?}");

    let log = house.turn_log().await;
    let session = SessionId::generate();
    for entry in log_entries(session, TurnId::generate(), "My dog is called Rex.", "That is a nice name.") {
        log.append(&house.context.clone().with_session(session), &entry).await.unwrap();
    }
    crate::conversation::remembered(&house, 1).await;
    let told = say(&house, SessionId::generate(), "What did I tell you about my dog?").await.unwrap();
    println!("{} {:?}", told.text, told.done);
    assert_eq!(told.statuses[0].code, "looking");
    assert!(told.text.contains("Rex"), "{told:?}");

    let told = say(&house, SessionId::generate(), "Forget what I told you about my locker.").await.unwrap();
    println!("{} {:?} {:?}", told.text, told.tool_results, told.done);
    assert_eq!(told.text, "I've forgotten it.");
    assert!(facts(&house).await.is_empty());
    brain.stop().await;
}
