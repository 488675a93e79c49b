//! What each service may do, attempted by hand against a real server: each user publishes and listens to everything there is.

use aether_bus::{OWNER, authorization};
use aether_testkit::{self as testkit, Users};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::fixture::within;

const SERVICES: [&str; 6] = ["gateway", "agent", "brain", "tts", "scheduler", "notifier"];

/// Who may publish on a subject, and who may listen.
const RULES: &[(&str, &[&str], &[&str])] = &[
    ("brain.request", &["agent", "gateway"], &["brain"]),
    ("brain.ready", &["agent", "gateway"], &["brain"]),
    ("llm.request", &["notifier", "scheduler"], &["brain"]),
    ("sentence.request", &["agent"], &["brain"]),
    ("embed.request", &[], &["brain"]),
    ("embeddings.backfill", &["scheduler"], &["brain"]),
    ("facts.keep", &["scheduler"], &["brain"]),
    ("summaries.keep", &["scheduler"], &["brain"]),
    ("tts.request", &["agent"], &["tts"]),
    ("tts.ready", &["agent"], &["tts"]),
    ("scheduler.ready", &[], &["scheduler"]),
    ("jobs.submit", &["brain", "notifier"], &["scheduler"]),
    ("jobs.control", &["brain", "gateway"], &["scheduler"]),
    ("jobs.wake", &["scheduler"], &["scheduler"]),
    ("jobs.stop", &["scheduler"], &["scheduler"]),
    ("jobs.events.1", &["scheduler"], &[]),
    ("notifier.ready", &[], &["notifier"]),
    ("notify.work", &["scheduler"], &["notifier"]),
    ("notify.control", &["gateway"], &["notifier"]),
    ("notify.events.acme.mail", &["gateway", "scheduler"], &[]),
    ("notify.push.acme.ada", &["notifier"], &["gateway"]),
    ("room.acme.kitchen.events", &["agent"], &["gateway"]),
    ("room.acme.kitchen.control", &["gateway", "notifier"], &["agent"]),
    ("people.acme.ada.events", &["gateway"], &["gateway"]),
    ("turns.acme.1", &["agent", "gateway"], &[]),
    // Replies reach who asked, and a call's input the worker that took it.
    ("_INBOX.gateway.1", &["gateway"], &["gateway"]),
    ("_INBOX.agent.1", &["agent"], &["agent"]),
    ("_INBOX.brain.1", &["agent", "brain", "gateway", "notifier", "scheduler"], &["brain"]),
    ("_INBOX.tts.1", &["agent", "tts"], &["tts"]),
    ("_INBOX.scheduler.1", &["scheduler"], &["scheduler"]),
    ("_INBOX.notifier.1", &["notifier"], &["notifier"]),
    ("_INBOX.owner.1", &[], &[]),
    ("audio._INBOX.agent.1", &[], &["agent"]),
    ("$SRV.PING.brain", &[], &["brain"]),
    ("$JS.API.STREAM.INFO.TURNS", &["agent", "brain", "gateway"], &[]),
    ("$JS.API.STREAM.INFO.EVENTS", &["gateway", "notifier", "scheduler"], &[]),
    ("$JS.API.STREAM.DELETE.TURNS", &[], &[]),
    ("$JS.API.STREAM.PURGE.TURNS", &[], &[]),
    ("$JS.API.STREAM.MSG.GET.TURNS", &[], &[]),
    ("$JS.API.STREAM.CREATE.COPY", &[], &[]),
    ("$JS.API.CONSUMER.CREATE.TURNS.brain", &["brain"], &[]),
    ("$JS.API.CONSUMER.CREATE.TURNS.spy", &[], &[]),
    ("$JS.API.CONSUMER.MSG.NEXT.EVENTS.notifier", &["notifier"], &[]),
    ("$JS.API.CONSUMER.DELETE.TURNS.brain", &[], &[]),
    ("somewhere.else", &[], &[]),
];

/// What listens to more than it may.
const NOBODY_HEARS: &[&str] = &[">", "*.request", "_INBOX.>", "audio.>", "room.>", "turns.>", "notify.>", "$JS.>"];

fn password(user: &str) -> String {
    format!("of-{user}")
}

async fn server() -> testkit::Nats {
    let config = authorization(|user| format!("\"{}\"", password(user)));
    testkit::nats_for(Users { config, owner: (OWNER.to_owned(), password(OWNER)) }).await
}

/// Attempts each of these, and returns what the server says against it. `None` where it lets this user in not at all.
async fn refused(url: &str, user: &str, password: &str, attempts: &[String]) -> Option<Vec<String>> {
    let address = url.strip_prefix("nats://").unwrap();
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let hello = json!({ "verbose": false, "pedantic": false, "user": user, "pass": password });
    let text = format!("CONNECT {hello}\r\n{}PING\r\n", attempts.concat());
    stream.get_mut().write_all(text.as_bytes()).await.unwrap();
    let mut refusals = Vec::new();
    loop {
        let mut line = String::new();
        within(stream.read_line(&mut line)).await.unwrap();
        match line.trim() {
            "PONG" => return Some(refusals),
            "-ERR 'Authorization Violation'" | "" => return None,
            line if line.starts_with("-ERR") => refusals.push(line.to_owned()),
            _ => {}
        }
    }
}

fn publishing(subject: &str) -> String {
    format!("PUB {subject} 0\r\n\r\n")
}

fn listening(subject: &str) -> String {
    format!("SUB {subject} 1\r\n")
}

#[tokio::test]
async fn each_service_does_what_is_its_own_and_nothing_else() {
    let nats = server().await;
    let mut surprises = Vec::new();
    for user in SERVICES {
        for (subject, publishers, listeners) in RULES {
            for (verb, attempt, allowed) in
                [("publishes", publishing(subject), publishers), ("listens to", listening(subject), listeners)]
            {
                let refusals = refused(&nats.url, user, &password(user), &[attempt]).await.unwrap();
                if refusals.is_empty() != allowed.contains(&user) {
                    surprises.push(format!("{user} {verb} {subject}: {refusals:?}"));
                }
            }
        }
        let attempts: Vec<_> = NOBODY_HEARS.iter().map(|subject| listening(subject)).collect();
        let refusals = refused(&nats.url, user, &password(user), &attempts).await.unwrap();
        assert_eq!(refusals.len(), NOBODY_HEARS.len(), "{user}: {refusals:?}");
    }
    assert!(surprises.is_empty(), "{surprises:#?}");
}

#[tokio::test]
async fn the_owner_does_everything_and_a_stranger_nothing() {
    let nats = server().await;
    let attempts: Vec<_> = RULES.iter().flat_map(|(subject, ..)| [publishing(subject), listening(subject)]).collect();
    assert_eq!(refused(&nats.url, OWNER, &password(OWNER), &attempts).await, Some(Vec::new()));
    for (user, password) in [("", ""), ("agent", "of-brain"), ("agent", ""), ("somebody", "of-somebody")] {
        assert_eq!(refused(&nats.url, user, password, &[]).await, None, "{user}");
    }
}

/// What runs in containers is what was tried here.
#[test]
fn the_containers_have_the_same_users() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats/users.conf");
    let text = std::fs::read_to_string(path).unwrap();
    let same = text == authorization(|user| format!("${}_PASSWORD", user.to_uppercase()));
    assert!(same, "run `cargo run --quiet -p aether-bus --example nats_users > deploy/nats/users.conf`");
}

/// A subject that is added must be thought about here, too.
#[test]
fn every_subject_that_a_service_uses_is_among_the_rules() {
    let text = authorization(|_| "x".to_owned());
    let subjects = text.split('"').skip(1).step_by(2);
    for subject in
        subjects.filter(|subject| !["$", "_INBOX", "audio", "15m"].iter().any(|own| subject.starts_with(own)))
    {
        let begin = subject.trim_end_matches('>');
        let fits = |rule: &str| {
            let mut pairs = begin.split('.').zip(rule.split('.'));
            pairs.all(|(token, rule)| token == rule || token == "*" || token.is_empty())
                && (begin != subject || subject.split('.').count() == rule.split('.').count())
        };
        assert!(RULES.iter().any(|(rule, ..)| fits(rule)), "{subject} is not among the rules");
    }
}
