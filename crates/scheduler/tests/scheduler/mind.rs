//! A brain beside the scheduler, with a language model that says what a test wants said, and turns that somebody had.

use std::time::{Duration, SystemTime};

use aether_brain::{Embedding, Parts, Service};
use aether_bus::{Bus, TurnLog, TurnLogOptions};
use aether_llm::{Client, Deadlines, Dialect};
use aether_proto::turn_log_entry::Step;
use aether_proto::{
    AnswerChunk, EmbedReply, EmbedRequest, Ended, Heard, PersonId, SessionId, TurnId, TurnLogEntry, UserCommitted,
    subject,
};
use aether_store::{FactRow, JobRow, Login};
use aether_telemetry::HttpServer;
use aether_testkit::{self as testkit, Script, ScriptedLlm};
use tokio::task::JoinHandle;

use crate::house::House;

pub struct Mind {
    log: TurnLog,
    running: JoinHandle<Result<(), aether_brain::Error>>,
    _spool: tempfile::TempDir,
}

/// A turn of "ada", heard to its end.
pub struct Said<'a> {
    pub session: SessionId,
    pub turn: TurnId,
    pub words: &'a str,
    pub answer: &'a str,
    pub ago: Duration,
}

impl<'a> Said<'a> {
    pub fn now(words: &'a str, answer: &'a str) -> Self {
        Self { session: SessionId::generate(), turn: TurnId::generate(), words, answer, ago: Duration::ZERO }
    }

    /// As an agent writes them.
    pub fn entries(&self) -> Vec<TurnLogEntry> {
        let steps = [
            Step::UserCommitted(UserCommitted {
                room: "kitchen".into(),
                person_id: "ada".into(),
                person_name: "Ada".into(),
                text: self.words.into(),
                modality: "voice".into(),
            }),
            Step::AnswerChunk(AnswerChunk { index: 0, text: self.answer.into() }),
            Step::Heard(Heard { text_bytes: u32::try_from(self.answer.len()).unwrap() }),
            Step::Ended(Ended { reason: "completed".into() }),
        ];
        let at = (SystemTime::now() - self.ago).duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let entry = |(sequence, step)| TurnLogEntry {
            session_id: self.session.to_string(),
            turn_id: self.turn.to_string(),
            sequence,
            at_unix_us: i64::try_from(at.as_micros()).unwrap() + i64::from(sequence),
            step: Some(step),
        };
        (0..).zip(steps).map(entry).collect()
    }
}

impl Mind {
    /// It has facts looked for at once, and no summaries made.
    pub async fn of(house: &House, llm: &str) -> Self {
        Self::with(house, llm, |_| {}).await
    }

    pub async fn with(house: &House, llm: &str, change: impl FnOnce(&mut aether_brain::Options)) -> Self {
        let layout = testkit::layout();
        let mut options = aether_brain::Options::new(Embedding {
            model_id: "all-MiniLM-L6-v2".into(),
            models: layout.models(),
            onnxruntime: layout.library("libonnxruntime.so"),
        });
        options.learn_after = Duration::ZERO;
        options.background_rest = Duration::ZERO;
        options.summarise_after = Duration::from_secs(3_600);
        change(&mut options);
        let llm = aether_llm::Options::new(llm.parse().unwrap(), Dialect::OpenAi, ScriptedLlm::MODEL);
        let deadlines = Deadlines { first_token: Duration::from_secs(30), ..Deadlines::default() };
        let parts = Parts {
            bus: Bus::connect(aether_bus::Options::new(&house.nats.url, "brain")).await.unwrap(),
            store: house.store_of(Login::Brain),
            llm: Client::new(aether_llm::Options { deadlines, ..llm }).unwrap(),
            http: HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap(),
        };
        let running = tokio::spawn(Service::new(options, parts).run(Default::default()));
        testkit::eventually("the brain remembers", 30, || async {
            let question = EmbedRequest { texts: vec!["Are you there?".into()] };
            house.bus.request::<_, EmbedReply>(&house.context, subject::EMBED_REQUEST, &question).await.is_ok()
        })
        .await;
        let spool = tempfile::tempdir().unwrap();
        let log = TurnLog::open(&house.bus, TurnLogOptions::new(spool.path())).await.unwrap();
        Self { log, running, _spool: spool }
    }

    /// Returns once brain has written it down.
    pub async fn hear(&self, house: &House, said: &Said<'_>) {
        let context = house.context.clone().with_session(said.session);
        for entry in said.entries() {
            self.log.append(&context, &entry).await.unwrap();
        }
        testkit::eventually("the turn is written down", 20, || async {
            let mut transaction = house.store_of(Login::Brain).tenant(&house.context.tenant).await.unwrap();
            transaction.finished_turn(&house.context.agent, said.turn).await.unwrap().is_some()
        })
        .await;
    }

    pub fn kill(self) {
        self.running.abort();
    }
}

pub fn says(text: &str) -> Script {
    Script::words([text])
}

pub fn finds(facts: &serde_json::Value) -> Script {
    says(&serde_json::json!({ "facts": facts }).to_string())
}

pub async fn facts(house: &House) -> Vec<FactRow> {
    let mut transaction = house.store_of(Login::Brain).tenant(&house.context.tenant).await.unwrap();
    transaction.facts(&house.context.agent, &PersonId::new("ada").unwrap(), 100).await.unwrap()
}

/// The job of this kind that is about this turn or session, once there is one.
pub async fn job_about(house: &House, kind: &str, about: &str) -> JobRow {
    let find = || async {
        let jobs = house.jobs(&house.context.tenant).await;
        jobs.into_iter().find(|job| job.kind == kind && job.payload.to_string().contains(about))
    };
    testkit::eventually(&format!("there is a {kind}"), 20, || async { find().await.is_some() }).await;
    find().await.unwrap()
}
