//! A brain in its house: real NATS, real Postgres, a language model, and somebody who asks.

use std::time::Duration;

use aether_brain::{Embedding, Options, Parts, Service};
use aether_bus::{Bus, Call, CallOptions, Context, Frame, TurnLog, TurnLogOptions};
use aether_llm::{Client, Deadlines, Dialect};
use aether_proto::turn_log_entry::Step;
use aether_proto::{
    AgentId, AnswerChunk, BrainInput, BrainOutput, Commit, Done, EmbedReply, EmbedRequest, Ended, Heard, Modality,
    Open, RequestId, SessionId, Status, TenantId, ToolCall, ToolResult, TurnId, TurnLogEntry, Update, Usage,
    UserCommitted, brain_input, brain_output, subject,
};
use aether_store::{Login, Store};
use aether_telemetry::{Health, HttpServer, State};
use aether_testkit as testkit;
use testkit::{Nats, Postgres};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SERVICE_PASSWORD: &str = "only-for-this-test";

/// For real models on a machine that does other things, too.
pub const PATIENT: Deadlines = Deadlines {
    connect: Duration::from_secs(5),
    first_token: Duration::from_secs(60),
    idle: Duration::from_secs(30),
    total: Duration::from_secs(120),
};

pub struct House {
    pub nats: Nats,
    pub postgres: Postgres,
    pub store_url: String,
    /// Somebody else's connection to the same NATS.
    pub bus: Bus,
    pub context: Context,
    spool: tempfile::TempDir,
}

/// A running brain; stopped in an orderly way by [`Brain::stop`].
pub struct Brain {
    pub health: Health,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), aether_brain::Error>>,
}

impl House {
    pub async fn build() -> Self {
        let (nats, postgres) = tokio::join!(testkit::nats(), testkit::postgres());
        Store::migrate(&postgres.url, |_| SERVICE_PASSWORD.to_owned()).await.unwrap();
        let store_url = Login::Brain.url(&postgres.url, SERVICE_PASSWORD).unwrap();
        let bus = Bus::connect(aether_bus::Options::new(&nats.url, "somebody")).await.unwrap();
        bus.ready(Duration::from_secs(10)).await.unwrap();
        let context = Context::new(TenantId::new("acme").unwrap(), AgentId::new("aether").unwrap());
        Self { nats, postgres, store_url, bus, context, spool: tempfile::tempdir().unwrap() }
    }

    pub async fn brain(&self, llm_endpoint: &str, model: &str) -> Brain {
        self.brain_with(llm_endpoint, model, PATIENT, |_| {}).await
    }

    pub async fn brain_with(
        &self,
        llm_endpoint: &str,
        model: &str,
        deadlines: Deadlines,
        change: impl FnOnce(&mut Options),
    ) -> Brain {
        let brain = self.start_brain(llm_endpoint, model, deadlines, change).await;
        self.until_thinking(&brain).await;
        brain
    }

    pub async fn until_thinking(&self, brain: &Brain) {
        testkit::eventually("the brain answers and remembers", 20, || async {
            let question = EmbedRequest { texts: vec!["Are you there?".into()] };
            let answered = self.bus.request::<_, EmbedReply>(&self.context, subject::EMBED_REQUEST, &question).await;
            answered.is_ok() && brain.is_up("postgres")
        })
        .await;
    }

    /// Does not wait for anything.
    pub async fn start_brain(
        &self,
        llm_endpoint: &str,
        model: &str,
        deadlines: Deadlines,
        change: impl FnOnce(&mut Options),
    ) -> Brain {
        let layout = testkit::layout();
        let mut options = Options::new(Embedding {
            model_id: "all-MiniLM-L6-v2".into(),
            models: layout.models(),
            onnxruntime: layout.library("libonnxruntime.so"),
        });
        // The likeliest words, so that a test sees the same ones every time.
        options.temperature = 0.0;
        options.context_tokens = 2048;
        change(&mut options);
        let llm = aether_llm::Options::new(llm_endpoint.parse().unwrap(), Dialect::OpenAi, model);
        let parts = Parts {
            bus: Bus::connect(aether_bus::Options::new(&self.nats.url, "brain")).await.unwrap(),
            store: Store::connect(&aether_store::Options::new(&self.store_url)).unwrap(),
            llm: Client::new(aether_llm::Options { deadlines, ..llm }).unwrap(),
            http: HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap(),
        };
        let service = Service::new(options, parts);
        let health = service.health();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(service.run(shutdown.clone()));
        Brain { health, shutdown, running }
    }

    /// What the agent writes of a turn, as it happens.
    pub async fn turn_log(&self) -> TurnLog {
        TurnLog::open(&self.bus, TurnLogOptions::new(self.spool.path())).await.unwrap()
    }

    pub fn store(&self) -> Store {
        Store::connect(&aether_store::Options::new(&self.store_url)).unwrap()
    }
}

impl Brain {
    pub fn is_up(&self, part: &str) -> bool {
        self.state(part) == State::Up
    }

    pub fn state(&self, part: &str) -> State {
        self.health.report().parts.iter().find(|row| row.name == part).map_or(State::Waiting, |row| row.state)
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// One turn as an agent drives it.
pub struct Turn {
    pub generation: u32,
    pub call: Call<BrainInput, BrainOutput>,
}

/// All that came back of one turn.
#[derive(Debug, Default)]
pub struct Answer {
    pub text: String,
    pub chunks: Vec<u32>,
    pub statuses: Vec<Status>,
    pub usage: Option<Usage>,
    pub done: Option<Done>,
    /// In pieces, as they came.
    pub tool_calls: Vec<ToolCall>,
    pub tool_results: Vec<ToolResult>,
}

impl Turn {
    pub async fn open(house: &House, session: SessionId, words: &str) -> Self {
        Self::open_as(house, session, TurnId::generate(), 0, words).await
    }

    pub async fn open_as(house: &House, session: SessionId, turn: TurnId, generation: u32, words: &str) -> Self {
        Self::open_with(house, session, turn, |open| {
            open.generation = generation;
            open.words = words.into();
        })
        .await
    }

    /// Opened by a guest in the kitchen, but for what `change` does.
    pub async fn open_with(house: &House, session: SessionId, turn: TurnId, change: impl FnOnce(&mut Open)) -> Self {
        let mut open = Open {
            session_id: session.to_string(),
            turn_id: turn.to_string(),
            person_id: "guest-1".into(),
            person_name: "Guest".into(),
            room: "kitchen".into(),
            modality: Modality::Voice.into(),
            ..Open::default()
        };
        change(&mut open);
        let generation = open.generation;
        let open = BrainInput { input: Some(brain_input::Input::Open(open)) };
        let context = house.context.clone().with_session(session).with_request(RequestId::generate());
        let options = CallOptions { idle: Duration::from_secs(90), ..CallOptions::default() };
        let call = house.bus.call(&context, subject::BRAIN_REQUEST, &open, options).await.unwrap();
        Self { generation, call }
    }

    pub async fn update(&mut self, words: &str) {
        self.words(words, false).await;
    }

    /// These may be all the words.
    pub async fn guess(&mut self, words: &str) {
        self.words(words, true).await;
    }

    async fn words(&mut self, words: &str, guess: bool) {
        let update = Update { generation: self.generation, words: words.into(), guess };
        self.call.send(&BrainInput { input: Some(brain_input::Input::Update(update)) }).await.unwrap();
    }

    pub async fn commit(&mut self, text: &str) {
        let commit = Commit { generation: self.generation, text: text.into() };
        self.call.send(&BrainInput { input: Some(brain_input::Input::Commit(commit)) }).await.unwrap();
    }

    pub async fn next(&mut self) -> Result<Option<brain_output::Output>, aether_bus::Error> {
        match self.call.next().await? {
            Some(Frame::Message(output)) => Ok(output.output),
            Some(Frame::Audio(_)) => panic!("the brain sent audio"),
            None => Ok(None),
        }
    }

    /// Reads to the end.
    pub async fn answer(&mut self) -> Result<Answer, aether_bus::Error> {
        let mut answer = Answer::default();
        while let Some(output) = self.next().await? {
            match output {
                brain_output::Output::TextChunk(chunk) => {
                    answer.text.push_str(&chunk.text);
                    answer.chunks.push(chunk.index);
                }
                brain_output::Output::Status(status) => answer.statuses.push(status),
                brain_output::Output::Usage(usage) => answer.usage = Some(usage),
                brain_output::Output::Done(done) => answer.done = Some(done),
                brain_output::Output::ToolCall(piece) => answer.tool_calls.push(piece),
                brain_output::Output::ToolResult(result) => answer.tool_results.push(result),
                brain_output::Output::Held(_) => {}
            }
        }
        Ok(answer)
    }
}

/// A whole turn without looking ahead.
pub async fn say(house: &House, session: SessionId, text: &str) -> Result<Answer, aether_bus::Error> {
    let mut turn = Turn::open(house, session, "").await;
    turn.commit(text).await;
    turn.answer().await
}

/// The entries that an agent writes of a spoken turn whose whole answer was heard.
pub fn log_entries(session: SessionId, turn: TurnId, text: &str, answer: &str) -> Vec<TurnLogEntry> {
    let steps = [
        Step::UserCommitted(UserCommitted {
            room: "kitchen".into(),
            person_id: "guest-1".into(),
            person_name: "Guest".into(),
            text: text.into(),
            modality: "voice".into(),
        }),
        Step::AnswerChunk(AnswerChunk { index: 0, text: answer.into() }),
        Step::Heard(Heard { text_bytes: u32::try_from(answer.len()).unwrap() }),
        Step::Ended(Ended { reason: "completed".into() }),
    ];
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let entry = |(sequence, step)| TurnLogEntry {
        session_id: session.to_string(),
        turn_id: turn.to_string(),
        sequence,
        at_unix_us: i64::try_from(at.as_micros()).unwrap() + i64::from(sequence),
        step: Some(step),
    };
    (0..).zip(steps).map(entry).collect()
}
