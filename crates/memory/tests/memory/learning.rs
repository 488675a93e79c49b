//! Learning with the real model and the real database: each turn once, and nothing after something was to be forgotten.

use std::time::Duration;

use aether_memory::{Dropped, Embedder, EmbedderOptions, Learned, Memory, Options, Question, Statement};
use aether_proto::turn_log_entry::Step;
use aether_proto::{AgentId, PersonId, SessionId, TenantId, TurnId, TurnLogEntry, UserCommitted};
use aether_store::{Login, Store};
use aether_testkit as testkit;

struct Ada {
    memory: Memory,
    store: Store,
    tenant: TenantId,
    agent: AgentId,
    person: PersonId,
    _server: testkit::Postgres,
}

impl Ada {
    async fn new() -> Self {
        let server = testkit::postgres().await;
        Store::migrate(&server.url, |_| "secret".to_owned()).await.unwrap();
        let url = Login::Brain.url(&server.url, "secret").unwrap();
        let store = Store::connect(&aether_store::Options::new(url)).unwrap();
        let layout = testkit::layout();
        aether_onnx::init(&layout.library("libonnxruntime.so")).unwrap();
        let file = |name| layout.model("all-MiniLM-L6-v2", name);
        let embedder = Embedder::load(&EmbedderOptions::mini_lm(file("model.onnx"), file("tokenizer.json"))).unwrap();
        let options = Options { recall_deadline: Duration::from_secs(10), ..Options::default() };
        Self {
            memory: Memory::new(options, store.clone(), embedder),
            store,
            tenant: TenantId::new("acme").unwrap(),
            agent: AgentId::new("aether").unwrap(),
            person: PersonId::new("ada").unwrap(),
            _server: server,
        }
    }

    async fn says_in(&self, turn: TurnId, words: &str) {
        let step = Step::UserCommitted(UserCommitted {
            room: "kitchen".to_owned(),
            person_id: self.person.to_string(),
            person_name: "Ada".to_owned(),
            text: words.to_owned(),
            modality: "voice".to_owned(),
        });
        let entry = TurnLogEntry {
            session_id: SessionId::generate().to_string(),
            turn_id: turn.to_string(),
            sequence: 0,
            at_unix_us: 1_700_000_000_000_000,
            step: Some(step),
        };
        self.memory.remember(&self.tenant, &self.agent, &entry).await.unwrap();
    }

    async fn says(&self, words: &str) -> TurnId {
        let turn = TurnId::generate();
        self.says_in(turn, words).await;
        turn
    }

    async fn learns(&self, turn: TurnId, facts: &[(&str, &str)]) -> Learned {
        let statement = |(text, quote): &(&str, &str)| Statement { text: (*text).into(), quote: (*quote).into() };
        let statements = facts.iter().map(statement).collect();
        self.memory.learn(&self.tenant, &self.agent, &self.person, turn, statements).await.unwrap()
    }

    fn question<'a>(&'a self, words: &'a str, except: &'a [TurnId]) -> Question<'a> {
        Question { tenant: &self.tenant, agent: &self.agent, person: &self.person, words, except }
    }

    async fn facts(&self) -> Vec<String> {
        let mut transaction = self.store.tenant(&self.tenant).await.unwrap();
        let facts = transaction.facts(&self.agent, &self.person, 100).await.unwrap();
        facts.into_iter().map(|fact| fact.text).collect()
    }
}

const DOG: (&str, &str) = ("I have a dog called Rex.", "a dog called Rex");
const NURSE: (&str, &str) = ("I work as a nurse.", "I work as a nurse");

#[tokio::test]
async fn a_turn_is_learned_from_once_and_what_is_known_is_not_learned_again() {
    let ada = Ada::new().await;
    let turn = ada.says("I have a dog called Rex and I work as a nurse.").await;
    let learned = ada.learns(turn, &[DOG, ("I have a cat.", "a cat")]).await;
    assert_eq!(learned, Learned::Kept { kept: 1, dropped: vec![Dropped::NotSaid] });
    assert_eq!(ada.learns(turn, &[NURSE]).await, Learned::Closed, "however it may be asked again");

    let later = ada.says("As I said: a dog called Rex. I work as a nurse.").await;
    let learned = ada.learns(later, &[("I've got a dog called Rex.", DOG.1), NURSE, NURSE]).await;
    assert_eq!(learned, Learned::Kept { kept: 1, dropped: vec![Dropped::Known, Dropped::Known] });

    let found = ada.memory.recall(&ada.question("What is my dog called?", &[])).await.unwrap();
    assert_eq!((found.facts[0].text.as_str(), found.facts[0].is_asked_for), (DOG.0, false));
    let lines = found.lines("Ada").unwrap();
    let is_told =
        |line: &str| line.starts_with("- On ") && line.ends_with(" Ada told you: \"I have a dog called Rex.\"");
    assert!(lines.lines().any(is_told), "{lines}");
    let nobody = PersonId::new("ben").unwrap();
    let learned = ada.memory.learn(&ada.tenant, &ada.agent, &nobody, later, Vec::new()).await.unwrap();
    assert_eq!(learned, Learned::Closed, "it is not their turn");
}

#[tokio::test]
async fn what_was_to_be_forgotten_is_not_learned_from_what_was_said_before() {
    let ada = Ada::new().await;
    let learned = ada.says("I have a dog called Rex.").await;
    ada.learns(learned, &[DOG]).await;
    // Neither the turn that is still to be looked at, nor the wish itself, whose row may come later.
    let waiting = ada.says("By the way, I work as a nurse, and a dog called Rex sleeps in the kitchen.").await;
    let wish = TurnId::generate();
    let gone = ada.memory.forget(&ada.question("my dog Rex", &[wish])).await.unwrap();
    assert!(gone.turns.contains(&learned), "{gone:?}");
    assert!(ada.facts().await.is_empty());
    ada.says_in(wish, "Forget that I have a dog called Rex.").await;
    ada.says_in(learned, "I have a dog called Rex.").await;
    for turn in [waiting, wish, learned] {
        assert_eq!(ada.learns(turn, &[DOG, NURSE]).await, Learned::Closed);
    }
    assert!(ada.facts().await.is_empty());
    let next = ada.says("I work as a nurse.").await;
    assert_eq!(ada.learns(next, &[NURSE]).await, Learned::Kept { kept: 1, dropped: Vec::new() });
}

#[tokio::test]
async fn with_a_turn_goes_what_was_learned_from_it() {
    let ada = Ada::new().await;
    let turn = ada.says("I work as a nurse in Ulm, I have a dog called Rex.").await;
    ada.learns(turn, &[NURSE]).await;
    assert!(ada.memory.keep(&ada.question("My locker is 42.", &[]), turn).await.unwrap());
    let mut transaction = ada.store.tenant(&ada.tenant).await.unwrap();
    transaction.forget_turns(&ada.agent, &ada.person, &[turn]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(ada.facts().await, ["My locker is 42."], "what they asked to have kept stays");
}
