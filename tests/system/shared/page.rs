//! The page in a browser without a window, with a recording for a microphone: `web/e2e`.

use std::process::Stdio;

use aether_audio::{ROOM_HZ, wav};
use aether_identity::Scopes;
use aether_testkit as testkit;
use tokio::process::Command;
use tokio::time::timeout;

use crate::house::{House, PATIENCE, TENANT, recording, repository, samples, transcribe};
use crate::words::overlap;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_talks_shows_types_and_interrupts() {
    let house = House::shared().await;
    let folder = house.gateway.dir().join("page");
    std::fs::create_dir_all(&folder).unwrap();
    // The browser plays the file as its microphone; the silence at its end is what ends the question.
    let mut question = recording("cmd11.wav");
    question.resize(question.len() + ROOM_HZ as usize, 0);
    let microphone = folder.join("question.wav");
    std::fs::write(&microphone, wav::write(ROOM_HZ, &question)).unwrap();

    let token = house.page_token(TENANT, Some("piet"), Scopes::PAGE);
    let run = Command::new(testkit::layout().program("node", "install Node").unwrap())
        .arg(repository("web/e2e/conversation.mjs"))
        .args(["--url", &format!("{}/#token={token}", house.gateway.url), "--chromium"])
        .arg(testkit::layout().program("chromium", "run scripts/setup --tests").unwrap())
        .arg("--microphone")
        .arg(&microphone)
        .arg("--out")
        .arg(&folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = timeout(PATIENCE * 2, run).await.unwrap_or_else(|_| panic!("the browser does not end")).unwrap();
    let (said, complained) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    println!("{said}");
    assert!(run.status.success(), "{said}\n{complained}");

    // What the page says that it showed was also heard.
    let spoken = transcribe(&samples(&std::fs::read(folder.join("answer.wav")).unwrap())).await;
    let sessions = house.caller(TENANT, "piet").get("/v1/sessions").await.json;
    let session =
        sessions["data"][0]["session_id"].as_str().unwrap_or_else(|| panic!("no session: {sessions}")).to_owned();
    let turns = house.turns(&house.caller(TENANT, "piet"), &session, 1).await;
    let first = &turns[0];
    assert!(overlap("seven times eight", first["words"].as_str().unwrap()) > 0.6, "{first}");
    let heard = first["heard"].as_str().unwrap();
    assert!(overlap(heard, &spoken) > 0.4, "answer: {heard}\nheard: {spoken}");
}
