//! Remembering and recalling with the real model and the real database.

use std::time::{Duration, Instant};

use aether_memory::{
    Backfilled, EmbedError, Embedder, EmbedderOptions, LoadError, Memory, Options, Question, RecallError,
};
use aether_proto::turn_log_entry::Step;
use aether_proto::{AgentId, AnswerChunk, Heard, PersonId, SessionId, TenantId, TurnId, TurnLogEntry, UserCommitted};
use aether_store::{Applied, Login, Store};
use aether_testkit as testkit;

fn embedder_options() -> EmbedderOptions {
    let layout = testkit::layout();
    let file = |name| layout.model("all-MiniLM-L6-v2", name);
    EmbedderOptions::mini_lm(file("model.onnx"), file("tokenizer.json"))
}

fn embedder(options: &EmbedderOptions) -> Embedder {
    aether_onnx::init(&testkit::layout().library("libonnxruntime.so")).unwrap();
    Embedder::load(options).unwrap()
}

async fn database() -> (testkit::Postgres, Store) {
    let server = testkit::postgres().await;
    Store::migrate(&server.url, |_| "secret".to_owned()).await.unwrap();
    let mut options = aether_store::Options::new(Login::Brain.url(&server.url, "secret").unwrap());
    options.acquire_timeout = Duration::from_secs(10);
    let store = Store::connect(&options).unwrap();
    (server, store)
}

struct Person {
    tenant: TenantId,
    agent: AgentId,
    person: PersonId,
}

fn person(tenant: &str, person: &str) -> Person {
    Person {
        tenant: TenantId::new(tenant).unwrap(),
        agent: AgentId::new("aether").unwrap(),
        person: PersonId::new(person).unwrap(),
    }
}

impl Person {
    fn question<'a>(&'a self, words: &'a str, except: &'a [TurnId]) -> Question<'a> {
        Question { tenant: &self.tenant, agent: &self.agent, person: &self.person, words, except }
    }

    /// A whole turn of this person in a session of its own, each entry delivered twice.
    async fn say(&self, memory: &Memory, words: &str, answer: &str) -> TurnId {
        let (session, turn) = (SessionId::generate(), TurnId::generate());
        let committed = UserCommitted {
            room: "kitchen".to_owned(),
            person_id: self.person.to_string(),
            person_name: "Ada".to_owned(),
            text: words.to_owned(),
            modality: "voice".to_owned(),
        };
        let steps = [
            Step::UserCommitted(committed),
            Step::AnswerChunk(AnswerChunk { index: 0, text: answer.to_owned() }),
            Step::Heard(Heard { text_bytes: u32::try_from(answer.len()).unwrap() }),
        ];
        for (sequence, step) in (0..).zip(steps) {
            let entry = TurnLogEntry {
                session_id: session.to_string(),
                turn_id: turn.to_string(),
                sequence,
                at_unix_us: 1_700_000_000_000_000,
                step: Some(step),
            };
            for expected in [Applied::Now, Applied::Before] {
                assert_eq!(memory.remember(&self.tenant, &self.agent, &entry).await.unwrap(), expected);
            }
        }
        turn
    }
}

/// So that a busy test machine doesn't decide what is remembered.
fn patient() -> Options {
    Options { recall_deadline: Duration::from_secs(10), ..Options::default() }
}

#[tokio::test]
async fn a_name_told_in_one_room_is_known_in_a_later_one() {
    let (_server, store) = database().await;
    let memory = Memory::new(patient(), store, embedder(&embedder_options()));
    let ada = person("acme", "ada");
    for words in [
        "The weather was terrible on our holiday in Norway.",
        "Please turn the lights in the kitchen off.",
        "My sister works as a nurse in Berlin.",
        "Can you set a timer for ten minutes?",
        "I prefer tea over coffee in the morning.",
        "What is the capital of France?",
    ] {
        ada.say(&memory, words, "All right.").await;
    }
    let told = ada.say(&memory, "My name is Ada.", "Nice to meet you, Ada.").await;
    let bob = person("acme", "bob");
    bob.say(&memory, "My name is Bob.", "Hello, Bob.").await;
    person("globex", "ada").say(&memory, "My name is Eve.", "Hello, Eve.").await;

    let recollection = memory.recall(&ada.question("What is my name?", &[])).await.unwrap();
    let first = &recollection.memories[0];
    assert_eq!(first.turn, told, "{recollection:#?}");
    assert_eq!(first.text, "My name is Ada.");
    assert_eq!(first.answer, "Nice to meet you, Ada.");
    let lines = recollection.lines("Ada").unwrap();
    assert!(lines.contains("Ada said: \"My name is Ada.\" You answered: \"Nice to meet you, Ada.\""), "{lines}");
    assert!(!lines.contains("Bob") && !lines.contains("Eve"), "{lines}");

    let drink = memory.recall(&ada.question("What do I like to drink?", &[])).await.unwrap();
    assert_eq!(drink.memories[0].text, "I prefer tea over coffee in the morning.");

    let shown = memory.recall(&ada.question("What is my name?", &[told])).await.unwrap();
    assert!(shown.memories.iter().all(|memory| memory.turn != told));
    assert_eq!(memory.recall(&ada.question(" ", &[])).await.unwrap().memories, []);
    let stranger = person("acme", "stranger");
    assert_eq!(memory.recall(&stranger.question("What is my name?", &[])).await.unwrap().lines("Ada"), None);
}

#[tokio::test]
async fn a_fact_is_kept_found_and_forgotten_with_all_that_was_said_about_it() {
    let (_server, store) = database().await;
    let memory = Memory::new(patient(), store.clone(), embedder(&embedder_options()));
    let (ada, bob) = (person("acme", "ada"), person("acme", "bob"));
    let locker = ada.say(&memory, "Remember that my locker number is 42.", "I'll remember that.").await;
    ada.say(&memory, "My dog is called Rex.", "Nice name.").await;
    ada.say(&memory, "What is the capital of France?", "Paris.").await;
    bob.say(&memory, "My locker number is 7.", "All right.").await;
    let fact = "My locker number is 42.";
    assert!(memory.keep(&ada.question(fact, &[]), locker).await.unwrap());
    assert!(!memory.keep(&ada.question(fact, &[]), locker).await.unwrap(), "the same fact is kept once");
    memory.keep(&bob.question("My locker number is 7.", &[]), locker).await.unwrap();

    let found = memory.recall(&ada.question("Which locker is mine?", &[])).await.unwrap();
    let [kept] = &found.facts[..] else { panic!("{found:?}") };
    assert_eq!((kept.text.as_str(), kept.is_asked_for), (fact, true));
    let other = Memory::new(patient(), store, embedder(&embedder_options()));
    let elsewhere = other.recall(&ada.question("Which locker is mine?", &[])).await.unwrap();
    assert_eq!(elsewhere.facts, found.facts, "what another process kept is found, too");
    let unrelated = memory.recall(&ada.question("What is the capital of France?", &[])).await.unwrap();
    assert!(unrelated.facts.is_empty(), "{unrelated:?}");

    let nothing = memory.forget(&ada.question("my bicycle", &[])).await.unwrap();
    assert_eq!((nothing.facts, nothing.turns), (0, Vec::new()));
    let forgotten = memory.forget(&ada.question("my locker", &[])).await.unwrap();
    assert_eq!((forgotten.facts, forgotten.turns), (1, vec![locker]));
    let left = memory.recall(&ada.question("Which locker is mine?", &[])).await.unwrap();
    assert!(left.facts.is_empty() && left.memories.iter().all(|memory| memory.turn != locker), "{left:?}");
    let dog = memory.look_up(&ada.question("the dog", &[])).await.unwrap();
    assert_eq!(dog.memories[0].text, "My dog is called Rex.");
    let bobs = memory.recall(&bob.question("Which locker is mine?", &[])).await.unwrap();
    assert_eq!((bobs.facts.len(), bobs.memories.len()), (1, 1), "somebody else's stays");
}

#[tokio::test]
async fn what_was_said_without_this_model_is_remembered_afterwards() {
    let (_server, store) = database().await;
    let before = EmbedderOptions { model_id: "another".to_owned(), ..embedder_options() };
    let (ada, bob) = (person("acme", "ada"), person("globex", "bob"));
    let old = Memory::new(patient(), store.clone(), embedder(&before));
    for words in ["My name is Ada.", "I prefer tea.", "My sister works as a nurse."] {
        ada.say(&old, words, "All right.").await;
    }
    bob.say(&old, "My name is Bob.", "Hello.").await;
    let memory = Memory::new(patient(), store, embedder(&embedder_options()));
    let question = ada.question("What is my name?", &[]);
    assert!(memory.recall(&question).await.unwrap().memories.is_empty());
    for (made, left) in [(2, 1), (1, 0), (0, 0)] {
        let done = memory.backfill(&ada.tenant, &ada.agent, 2).await.unwrap();
        assert_eq!(done, Backfilled { made, left });
    }
    assert_eq!(memory.recall(&question).await.unwrap().memories[0].text, "My name is Ada.");
    assert!(memory.recall(&bob.question("What is my name?", &[])).await.unwrap().memories.is_empty());
}

#[tokio::test]
async fn a_database_that_says_nothing_costs_no_more_than_the_deadline() {
    let (server, store) = database().await;
    let options = Options { recall_deadline: Duration::from_millis(300), ..Options::default() };
    let memory = Memory::new(options, store, embedder(&embedder_options()));
    let ada = person("acme", "ada");
    server.freeze();
    let began = Instant::now();
    let error = memory.recall(&ada.question("What is my name?", &[])).await.unwrap_err();
    assert!(matches!(error, RecallError::Deadline(_)), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "took {:?}", began.elapsed());
    server.thaw();
    testkit::eventually("memories to be found again", 10, || async {
        memory.recall(&ada.question("What is my name?", &[])).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn alike_sentences_are_near_and_a_batch_is_as_good_as_one_by_one() {
    let embedder = embedder(&embedder_options());
    assert_eq!(embedder.model_id(), "all-MiniLM-L6-v2");
    let texts = ["A cat sits on the mat.", "A kitten is resting on a rug.", "The stock market fell sharply today.", ""];
    let batch = embedder.embed(texts.map(str::to_owned).to_vec()).await.unwrap();
    assert!(batch[0].similarity(&batch[1]) > 0.5, "{}", batch[0].similarity(&batch[1]));
    assert!(batch[0].similarity(&batch[2]) < 0.2, "{}", batch[0].similarity(&batch[2]));
    for (text, together) in texts.iter().zip(&batch) {
        let alone = embedder.embed_one(text).await.unwrap();
        // Quantised to 8 bits by the largest value of the whole batch, so not equal to the last digit.
        assert!(alone.similarity(together) > 0.97, "{text:?}: {}", alone.similarity(together));
    }
    let long = "word ".repeat(5000);
    embedder.embed(vec![long; 40]).await.unwrap();
    assert!(embedder.embed(Vec::new()).await.unwrap().is_empty());
}

#[tokio::test]
async fn more_calls_than_may_wait_are_refused_and_a_dropped_one_gives_its_place_back() {
    let embedder = embedder(&EmbedderOptions { max_waiting: 1, ..embedder_options() });
    let mut running = Box::pin(embedder.embed(vec!["word ".repeat(400); 64]));
    let mut waiting = Box::pin(embedder.embed(vec!["word".to_owned()]));
    // Polled once each, they take the worker and the one place behind it.
    for call in [&mut running, &mut waiting] {
        tokio::select! {
            biased;
            result = call => unreachable!("{result:?}"),
            () = std::future::ready(()) => {}
        }
    }
    assert!(matches!(embedder.embed_one("hello").await, Err(EmbedError::Overloaded)));
    drop(waiting);
    embedder.embed_one("hello").await.unwrap();
    assert_eq!(running.await.unwrap().len(), 64);
}

#[tokio::test]
async fn files_that_are_no_model_are_refused_by_name() {
    aether_onnx::init(&testkit::layout().library("libonnxruntime.so")).unwrap();
    let good = embedder_options();
    let swapped = EmbedderOptions { model: good.tokenizer.clone(), ..good.clone() };
    let error = Embedder::load(&swapped).err().unwrap();
    assert!(matches!(error, LoadError::Model(_)), "{error:?}");
    let missing = EmbedderOptions { tokenizer: "/nowhere/tokenizer.json".into(), ..good };
    let error = Embedder::load(&missing).err().unwrap();
    assert!(error.to_string().contains("/nowhere/tokenizer.json"), "{error}");
    let vad = testkit::layout().model("silero-vad", "silero_vad.onnx");
    let error = Embedder::load(&EmbedderOptions { model: vad, ..embedder_options() }).err().unwrap();
    assert!(matches!(error, LoadError::Shape { .. }), "{error:?}");
}
