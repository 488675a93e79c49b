//! What Jaeger shows: where a turn's time went, what was made in vain, and what is done beside conversations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use aether_cli::person::Exchange;
use aether_identity::{Secret, sign};
use aether_testkit::{self as testkit, Jaeger, eventually};
use serde_json::{Value, json};

use crate::house::{House, PATIENCE, TENANT, recording, text};

/// The parts of a response, in their order.
const STAGES: [&str; 6] = ["endpointing", "transcription", "first token", "first clause", "first audio", "playout"];
/// Jaeger cuts both the beginning and the length of a span to microseconds.
const ROUNDING_US: u64 = 2;
/// `turn_metrics` cuts to milliseconds.
const TOTAL_ROUNDING_US: u64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_spoken_turn_is_one_tree_of_stages_that_add_up_and_hold_no_words() {
    let jaeger = testkit::jaeger().await;
    let house = House::stand_watched_by(&jaeger, &[]).await;
    let exchange = house.ask("kitchen", "ada", recording("cmd11.wav")).await;
    let trace = Trace::read(&jaeger, &exchange.metrics.trace_id, &["turn", "response", "synthesise", "turns.>"]).await;

    let turn = trace.root();
    assert_eq!((turn.service.as_str(), turn.name.as_str()), ("agent", "turn"));
    assert_eq!(turn.tag("turn"), exchange.turn_id.as_str());
    assert_eq!((turn.tag("room"), turn.tag("tenant")), (&json!("kitchen"), &json!(TENANT)));

    // The stages: one after the other, and as long together as the whole.
    let response = trace.named("response");
    assert_eq!(response.parent.as_ref(), Some(&turn.id));
    let parts: Vec<_> = trace.spans.iter().filter(|span| span.parent.as_ref() == Some(&response.id)).collect();
    assert_eq!(parts.len(), STAGES.len(), "{parts:?}");
    let stages = STAGES.map(|name| *parts.iter().find(|part| part.name == name).unwrap());
    let mut until = response.start_us;
    for stage in &stages {
        assert!(stage.start_us.abs_diff(until) <= ROUNDING_US, "{} does not follow on what was before", stage.name);
        until = stage.start_us + stage.duration_us;
    }
    let together: u64 = stages.iter().map(|stage| stage.duration_us).sum();
    assert!(together.abs_diff(response.duration_us) <= ROUNDING_US * STAGES.len() as u64, "{together}: {response:?}");
    let total_us = u64::from(exchange.metrics.total_ms) * 1_000;
    assert!(response.duration_us.abs_diff(total_us) <= TOTAL_ROUNDING_US, "{total_us}: {response:?}");

    // The work in other services hangs below the turn, and says by OpenTelemetry's conventions what it is.
    let thinking = trace.under(turn).find(|span| span.service == "brain" && span.name == "turn").unwrap();
    assert_eq!(thinking.tag("gen_ai.operation.name"), "invoke_agent");
    assert_eq!(thinking.tag("gen_ai.conversation.id"), turn.tag("session"));
    let is_answer = |span: &&Span| span.tags.get("gen_ai.request.max_tokens").is_some_and(|most| most != 1);
    let chat = trace.under(thinking).filter(|span| span.name.starts_with("chat ")).find(is_answer).unwrap();
    assert_eq!(chat.name, format!("chat {}", house.llm.model));
    assert_eq!(
        (chat.tag("gen_ai.operation.name"), chat.tag("gen_ai.provider.name")),
        (&json!("chat"), &json!("openai"))
    );
    assert_eq!(chat.tag("gen_ai.request.model"), house.llm.model.as_str());
    for tokens in ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"] {
        assert!(chat.tag(tokens).as_u64().unwrap() > 0, "{tokens} of {chat:?}");
    }
    assert_eq!(chat.tag("gen_ai.response.finish_reasons"), r#"["stop"]"#);
    assert_eq!(chat.tag("span.kind"), "client");
    let meaning = trace.under(thinking).find(|span| span.name.starts_with("embeddings ")).unwrap();
    assert_eq!(meaning.tag("gen_ai.operation.name"), "embeddings");
    let speaking = trace.under(turn).find(|span| span.name == "synthesise").unwrap();
    assert_eq!(speaking.service, "tts");
    assert_eq!(
        (speaking.tag("gen_ai.operation.name"), speaking.tag("gen_ai.output.type")),
        (&json!("speech"), &json!("speech"))
    );

    let written_down = trace.spans.iter().filter(|span| span.name == "turns.>").count();
    assert!(written_down <= 2, "{written_down}: what was said and how it ended, not each chunk of the answer");

    holds_no_words(&trace, &exchange);
    jobs_and_notifications_are_traced(&house, &jaeger).await;
}

/// The person goes on after a pause in which the answer was made already.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_ahead_in_vain_is_linked() {
    let jaeger = testkit::jaeger().await;
    // A pause that is long enough to answer in it, on any machine.
    let patient = [("AETHER_ENDPOINT_SHORTEST_MS", "10000"), ("AETHER_ENDPOINT_LONGEST_MS", "10000")];
    let house = House::stand_watched_by(&jaeger, &patient).await;
    let mut person = house.person("kitchen", "ada").await;
    let is_of_a_session = |line: &&str| line.contains(" spoke ") && line.contains(" session=");
    let spoken = || house.tts.log().lines().filter(is_of_a_session).count();
    let before = spoken();
    person.speak(recording("cmd11.wav")).await.unwrap();
    eventually("an answer is made ahead", PATIENCE.as_secs(), || async { spoken() > before }).await;
    let exchange = person.ask(recording("cmd00.wav"), PATIENCE).await.unwrap();

    let trace = Trace::read(&jaeger, &exchange.metrics.trace_id, &["turn", "response"]).await;
    let [(in_vain, span)] = trace.root().links.as_slice() else { panic!("no link: {:?}", trace.root()) };
    assert_ne!(*in_vain, exchange.metrics.trace_id);
    let in_vain = Trace::read(&jaeger, in_vain, &["turn", "synthesise"]).await;
    let thrown_away = in_vain.root();
    assert_eq!(thrown_away.id, *span);
    assert_eq!(thrown_away.tag("session"), trace.root().tag("session"));
    assert!(in_vain.under(thrown_away).any(|span| span.name.starts_with("chat ")), "what it cost is shown, too");
    assert!(in_vain.spans.iter().all(|span| span.name != "response"), "nobody was answered with it");
    holds_no_words(&in_vain, &exchange);
}

/// A notification that is to be told at once: a job of the scheduler, which the notifier does.
async fn jobs_and_notifications_are_traced(house: &House, jaeger: &Jaeger) {
    let source = house.caller(TENANT, "ada").post("/v1/sources", json!({ "name": "builds" })).await;
    assert_eq!(source.status, 201, "{}", source.json);
    let secret: Secret = text(&source.json, "secret").parse().unwrap();
    let body = r#"{"kind": "build.failed", "title": "The build failed", "urgency": "urgent"}"#;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let path = text(&source.json, "url").split_once("/v1/").unwrap().1.to_owned();
    let posted = reqwest::Client::new()
        .post(format!("{}/v1/{path}", house.gateway.url))
        .header("webhook-id", "msg-1")
        .header("webhook-timestamp", now)
        .header("webhook-signature", sign(&secret, "msg-1", now, body.as_bytes()))
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status().as_u16(), 202);

    let found = format!("{}/api/traces?service=scheduler&operation=notification_delivery&limit=1", jaeger.url);
    eventually("the job is in Jaeger", 60, || async { get(&found).await["data"][0]["traceID"].is_string() }).await;
    let id = text(&get(&found).await["data"][0], "traceID");
    let trace = Trace::read(jaeger, &id, &["notification_delivery", "deliver"]).await;
    let job = trace.root();
    assert_eq!((job.service.as_str(), job.tag("tenant")), ("scheduler", &json!(TENANT)));
    assert!(job.tag("job").is_string());
    assert_eq!(job.links.len(), 1, "{job:?}");
    let asked = Trace::read(jaeger, &job.links[0].0, &["jobs.submit"]).await;
    assert_eq!(asked.root().service, "gateway", "what it was asked for by is another trace");
    let telling = trace.under(job).find(|span| span.name == "deliver").unwrap();
    assert_eq!(telling.service, "notifier");
    assert!(telling.tag("notification").is_string());
    assert!(!trace.text.contains("build failed"), "{}", trace.text);
}

/// What failed can be found in the logs by whom it concerned.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_logged_with_the_ids_of_whom_it_concerned() {
    let mut house = House::stand().await;
    let mut person = house.person("kitchen", "ada").await;
    house.brain.kill().await;
    let exchange = person.ask(recording("cmd11.wav"), PATIENCE).await.unwrap();
    assert_eq!(exchange.end, "error");
    let log = house.agent.log();
    let line = log.lines().find(|line| line.contains("a turn failed")).unwrap();
    for id in [" turn=", " session=", " trace_id=", " room=kitchen", &format!(" tenant={TENANT}")] {
        assert!(line.contains(id), "no{id} in {line}");
    }

    let reply = house.caller(TENANT, "ada").chat("What is seven times eight?").await;
    assert_eq!(reply.status, 503, "{}", reply.json);
    let log = house.gateway.log();
    let line = log.lines().find(|line| line.contains("a request was not done")).unwrap();
    for id in [" turn=", " session=", " trace_id=", &format!(" tenant={TENANT}")] {
        assert!(line.contains(id), "no{id} in {line}");
    }
}

/// Neither what the person said nor what the agent did, in any three words of it.
fn holds_no_words(trace: &Trace, exchange: &Exchange) {
    assert!(exchange.heard.split_whitespace().count() >= 3, "{}", exchange.heard);
    let shown = trace.text.to_lowercase();
    for said in [&exchange.heard, &exchange.answer] {
        let said = said.to_lowercase();
        let words: Vec<_> = said.split_whitespace().collect();
        for phrase in words.windows(3).map(|words| words.join(" ")) {
            assert!(!shown.contains(&phrase), "{phrase:?} is in the trace:\n{shown}");
        }
    }
}

struct Trace {
    spans: Vec<Span>,
    /// As Jaeger gave it.
    text: String,
}

#[derive(Debug)]
struct Span {
    id: String,
    parent: Option<String>,
    /// Trace and span.
    links: Vec<(String, String)>,
    service: String,
    name: String,
    start_us: u64,
    duration_us: u64,
    tags: BTreeMap<String, Value>,
}

impl Trace {
    /// Waits until Jaeger has these spans and the parents of all it has: each process sends its own, some seconds later.
    async fn read(jaeger: &Jaeger, id: &str, names: &[&str]) -> Self {
        let url = format!("{}/api/traces/{id}", jaeger.url);
        let whole = || async {
            let trace = Self::of(&get(&url).await);
            let ids: BTreeSet<_> = trace.spans.iter().map(|span| &span.id).collect();
            let has = |name: &&str| trace.spans.iter().any(|span| span.name == **name);
            let is_rooted = trace.spans.iter().flat_map(|span| &span.parent).all(|parent| ids.contains(parent));
            names.iter().all(has) && is_rooted
        };
        eventually(&format!("{names:?} and all parents in {url}"), 60, whole).await;
        Self::of(&get(&url).await)
    }

    fn of(reply: &Value) -> Self {
        let data = &reply["data"][0];
        let spans = data["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let spans = spans.iter().map(|span| Span::of(span, &data["processes"])).collect();
        Self { spans, text: reply.to_string() }
    }

    fn root(&self) -> &Span {
        let roots: Vec<_> = self.spans.iter().filter(|span| span.parent.is_none()).collect();
        assert_eq!(roots.len(), 1, "{roots:?}");
        roots[0]
    }

    fn named(&self, name: &str) -> &Span {
        self.spans.iter().find(|span| span.name == name).unwrap()
    }

    /// Children, their children, and so on.
    fn under(&self, top: &Span) -> impl Iterator<Item = &Span> {
        let parent = |span: &Span| self.spans.iter().find(|other| Some(&other.id) == span.parent.as_ref());
        let above =
            move |span: &Span| std::iter::successors(parent(span), |span| parent(span)).any(|one| one.id == top.id);
        self.spans.iter().filter(move |span| above(span)).collect::<Vec<_>>().into_iter()
    }
}

impl Span {
    fn of(span: &Value, processes: &Value) -> Self {
        let references = span["references"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |kind: &str| {
            let fits = references.iter().filter(|reference| reference["refType"] == kind);
            fits.map(|reference| (text(reference, "traceID"), text(reference, "spanID"))).collect::<Vec<_>>()
        };
        let tags = span["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            id: text(span, "spanID"),
            parent: named("CHILD_OF").pop().map(|(_, span)| span),
            links: named("FOLLOWS_FROM"),
            service: text(&processes[text(span, "processID")], "serviceName"),
            name: text(span, "operationName"),
            start_us: span["startTime"].as_u64().unwrap(),
            duration_us: span["duration"].as_u64().unwrap(),
            tags: tags.iter().map(|tag| (text(tag, "key"), tag["value"].clone())).collect(),
        }
    }

    fn tag(&self, name: &str) -> &Value {
        let tag = self.tags.get(name);
        assert!(tag.is_some(), "no {name} at {self:?}");
        tag.unwrap()
    }
}

/// Null where Jaeger does not know it yet.
async fn get(url: &str) -> Value {
    let reply = reqwest::get(url).await.unwrap();
    reply.json().await.unwrap_or_default()
}
