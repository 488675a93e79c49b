use std::{future::Future, ops::Deref, path::Path};

use aether_supervisor::{Component, Error, Layout, Process, Secrets, free_port, free_udp_port, part, part::Users};
use tempfile::TempDir;

/// A server that belongs to one test.
#[derive(Debug)]
pub struct Server {
    pub url: String,
    component: Component,
    process: Option<Process>,
    // After the process, so that it is removed last.
    dir: TempDir,
}

impl Server {
    /// Starts what `prepare` makes of a fresh folder. A port may be taken by somebody else between choosing and binding
    /// it, so a failed start is tried again on others.
    pub(crate) async fn start(prepare: impl Fn(&Path) -> Result<Component, Error>) -> Self {
        let mut failures = Vec::new();
        for _ in 0..3 {
            let dir =
                tempfile::Builder::new().prefix("aether-test-").tempdir().unwrap_or_else(|error| panic!("{error}"));
            let component = prepare(dir.path()).unwrap_or_else(|error| panic!("{error}"));
            match component.start().await {
                Ok(process) => return Self { url: component.url.clone(), component, process: Some(process), dir },
                Err(error) => failures.push(error.to_string()),
            }
        }
        panic!("{}", failures.join("\n"));
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    /// Ends it in an orderly way.
    pub async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop().await;
        }
    }

    /// Starts it again (after stopping it if it runs) at the same address with the data it had; ready on return.
    pub async fn restart(&mut self) {
        self.stop().await;
        let process = self.component.start().await.unwrap_or_else(|error| panic!("{error}"));
        self.process = Some(process);
    }

    /// Stops the process from running without ending it: it keeps its connections and says nothing.
    pub fn freeze(&self) {
        self.signal(aether_supervisor::Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(aether_supervisor::Signal::SIGCONT);
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.component.launch.log).unwrap_or_default()
    }

    /// A folder that lives as long as the server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(Process::is_running)
    }

    fn signal(&self, signal: aether_supervisor::Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }
}

pub type Nats = Server;
pub type Redis = Server;
pub type Postgres = Server;

/// A LiveKit server with the key and secret it accepts.
#[derive(Debug)]
pub struct LiveKit {
    server: Server,
    /// The same server for its HTTP interfaces.
    pub http_url: String,
    pub api_key: String,
    pub api_secret: String,
}

/// llama.cpp's server with a small real model.
#[derive(Debug)]
pub struct Llm {
    server: Server,
    pub model: String,
}

/// The state folder of this repository, with the parts and models that `scripts/run` put there.
pub fn layout() -> Layout {
    Layout::find().unwrap_or_else(|error| panic!("{error}"))
}

/// NATS with JetStream, for everybody.
pub async fn nats() -> Nats {
    start_nats(None).await
}

/// NATS with JetStream, for these users alone.
pub async fn nats_for(users: Users) -> Nats {
    start_nats(Some(users)).await
}

async fn start_nats(users: Option<Users>) -> Nats {
    Server::start(|dir| {
        let (state, log) = (dir.join("nats"), dir.join("nats.log"));
        part::Nats { port: port(), state, users: users.clone(), log }.component(&layout())
    })
    .await
}

/// Redis, for everybody.
pub async fn redis() -> Redis {
    start_redis(None).await
}

/// Redis, for these users alone.
pub async fn redis_for(users: Users) -> Redis {
    start_redis(Some(users)).await
}

async fn start_redis(users: Option<Users>) -> Redis {
    Server::start(|dir| {
        let (state, log) = (dir.join("redis"), dir.join("redis.log"));
        part::Redis { port: port(), state, users: users.clone(), log }.component(&layout())
    })
    .await
}

/// Postgres with pgvector. The URL names the empty database `aether` and its owner, a superuser.
pub async fn postgres() -> Postgres {
    Server::start(|dir| {
        let postgres = part::Postgres {
            port: port(),
            state: dir.join("postgres"),
            password: "only-for-this-test".into(),
            durable: false,
            log: dir.join("postgres.log"),
        };
        postgres.component(&layout())
    })
    .await
}

pub async fn livekit() -> LiveKit {
    livekit_telling(None).await
}

/// The same, which tells this URL who came and who went.
pub async fn livekit_with_webhook(url: &str) -> LiveKit {
    livekit_telling(Some(url.to_owned())).await
}

async fn livekit_telling(webhook: Option<String>) -> LiveKit {
    let secrets = Secrets::random();
    let server = Server::start(|dir| {
        let livekit = part::LiveKit {
            port: port(),
            rtc_tcp_port: port(),
            rtc_udp_port: free_udp_port().unwrap_or_else(|error| panic!("{error}")),
            webhook: webhook.clone(),
            config: dir.join("livekit.yaml"),
            log: dir.join("livekit.log"),
        };
        livekit.component(&layout(), &secrets)
    })
    .await;
    LiveKit {
        http_url: server.url.replacen("ws://", "http://", 1),
        api_key: secrets.livekit_api_key,
        api_secret: secrets.livekit_api_secret,
        server,
    }
}

/// SmolLM2 135M: quick, and simple-minded.
pub async fn llm() -> Llm {
    llm_with("smollm2-135m-instruct-q4_1").await
}

/// Any GGUF model of the manifest that has been fetched.
pub async fn llm_with(model: &str) -> Llm {
    let server = Server::start(|dir| {
        let mut llm = part::Llm::new(port(), layout().model(model, "model.gguf"), model, dir.join("llm.log"));
        llm.context = 2048;
        llm.component(&layout())
    })
    .await;
    Llm { server, model: model.to_owned() }
}

/// A program of this workspace as a server of its own: how a test runs a service that it wants to kill.
pub async fn service(prepare: impl Fn(&Path) -> Result<Component, Error>) -> Server {
    Server::start(prepare).await
}

/// Polls until `condition` holds, and panics with `what` after `seconds`.
pub async fn eventually<F: Future<Output = bool>>(what: &str, seconds: u64, mut condition: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(seconds);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "waited {seconds} s for: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

pub(crate) fn port() -> u16 {
    free_port().unwrap_or_else(|error| panic!("{error}"))
}

impl Deref for LiveKit {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

impl std::ops::DerefMut for LiveKit {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

impl Deref for Llm {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

impl std::ops::DerefMut for Llm {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
