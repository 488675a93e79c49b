//! A tts service in this process, with a real NATS and a real voice.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aether_bus::{Bus, Call, CallOptions, Context};
use aether_onnx::Processor;
use aether_proto::{AgentId, TenantId, TtsInput, TtsOutput, subject};
use aether_telemetry::{Health, HttpServer};
use aether_testkit as testkit;
use aether_tts::{Options, Parts, Service};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const VOICE: &str = "en_US-joe-medium";
/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Mouth {
    pub nats: testkit::Nats,
    /// The caller's own connection.
    pub bus: Bus,
    pub health: Health,
    pub address: SocketAddr,
    pub http: reqwest::Client,
    pub shutdown: CancellationToken,
    pub running: JoinHandle<Result<(), aether_tts::Error>>,
}

pub fn options(max_calls: usize) -> Options {
    let home = testkit::layout().home().to_owned();
    Options {
        voice: VOICE.to_owned(),
        models: home.join("models"),
        onnxruntime: home.join("parts/lib/libonnxruntime.so"),
        espeak: PathBuf::from("espeak-ng"),
        workers: 2,
        processor: Processor::Cpu,
        max_calls,
        retry: Duration::from_millis(50),
    }
}

impl Mouth {
    /// Started, and able to speak.
    pub async fn start(max_calls: usize) -> Self {
        let mouth = Self::begin(options(max_calls)).await;
        mouth.ready().await;
        mouth
    }

    /// Started; what it waits for is the test's business.
    pub async fn begin(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let nats = testkit::nats().await;
        let http = HttpServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = http.address();
        let bus = Bus::connect(aether_bus::Options::new(&nats.url, "tts")).await.unwrap();
        let service = Service::new(options, Parts { bus, http });
        let (health, shutdown) = (service.health(), CancellationToken::new());
        let running = tokio::spawn(service.run(shutdown.clone()));
        let bus = Bus::connect(aether_bus::Options::new(&nats.url, "test")).await.unwrap();
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        Self { nats, bus, health, address, http, shutdown, running }
    }

    /// Waits until texts are spoken, on the bus too.
    pub async fn ready(&self) {
        tokio::time::timeout(PATIENCE, self.health.ready()).await.unwrap();
        let context = context();
        let spoken = async {
            // The service registers itself after its voice is up.
            while self.open(&context, "a", CallOptions::default()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, spoken).await.unwrap();
        self.idle().await;
    }

    /// Waits until nothing is being spoken.
    pub async fn idle(&self) {
        let request = || self.http.post(self.url("/tts/stream")).header("content-type", "text/plain").body("a").send();
        let freed = async {
            loop {
                let answer = request().await.unwrap();
                let full = answer.status() == 429;
                // To the last byte, because the request itself takes a place until then.
                answer.bytes().await.unwrap();
                if !full {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, freed).await.unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn open(
        &self,
        context: &Context,
        text: &str,
        options: CallOptions,
    ) -> Result<Call<TtsInput, TtsOutput>, aether_bus::Error> {
        let input = TtsInput { text: text.to_owned(), ..TtsInput::default() };
        self.call(context, input, options).await
    }

    pub async fn call(
        &self,
        context: &Context,
        input: TtsInput,
        options: CallOptions,
    ) -> Result<Call<TtsInput, TtsOutput>, aether_bus::Error> {
        let options = CallOptions { audio_output: true, ..options };
        self.bus.call(context, subject::TTS_REQUEST, &input, options).await
    }
}

pub fn context() -> Context {
    Context::new(TenantId::new("default").unwrap(), AgentId::new("aether").unwrap())
}
