//! What WebSockets cost that nothing happens on: `cargo run -p aether-gateway --example idle_websockets -- 1000`.
//!
//! The gateway is this process; those who listen are another, so that only its own memory is counted. Then one event goes to
//! all of them, and they leave.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement ends with what it did not expect")]

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aether_bus::{Bus, Context};
use aether_gateway::{Options, Parts, Service};
use aether_identity::{Keyring, PageClaims, Scopes};
use aether_livekit::{ApiKey, RoomAdmin};
use aether_proto::{AgentId, ClientEvent, PersonId, RoomName, TenantId, subject};
use aether_store::{Rooms, Store};
use aether_telemetry::HttpServer;
use aether_testkit as testkit;
use futures::{StreamExt as _, future, stream};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [role, url, token, count] if role == "listen" => listen(url, token, count.parse().unwrap()).await,
        [count] => measure(count.parse().unwrap()).await,
        _ => measure(1000).await,
    }
}

async fn measure(count: usize) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (nats, redis) = tokio::join!(testkit::nats(), testkit::redis());
    let keyring = Keyring::new("a secret of more than thirty-two characters");
    let key = ApiKey { key: "key".to_owned(), secret: "a secret of more than thirty-two characters".to_owned() };
    let spool = tempfile::tempdir().unwrap();
    // Neither a database nor LiveKit is needed to listen.
    let nowhere = "ws://127.0.0.1:1";
    let http = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("ws://{}/ws", http.address());
    let bus = Bus::connect(aether_bus::Options::new(&nats.url, "gateway")).await.unwrap();
    let parts = Parts {
        bus: bus.clone(),
        store: Store::connect(&aether_store::Options::new("postgres://nobody@127.0.0.1:1/nothing")).unwrap(),
        rooms: Rooms::connect(&redis.url).unwrap(),
        admin: RoomAdmin::new(nowhere, &key).unwrap(),
        http,
        spool_folder: spool.path().to_owned(),
    };
    let shutdown = CancellationToken::new();
    let options = Options::new(keyring.clone(), nowhere, key, spool.path().join("web"));
    let service = Service::new(options, parts);
    let measuring = async {
        listen_and_look(count, &url, &keyring, &bus).await;
        shutdown.cancel();
    };
    let (ran, ()) = tokio::join!(service.run(shutdown.clone()), measuring);
    ran.unwrap();
}

async fn listen_and_look(count: usize, url: &str, keyring: &Keyring, bus: &Bus) {
    bus.ready(Duration::from_secs(5)).await.unwrap();
    let acme = TenantId::new("acme").unwrap();
    let agent = AgentId::new("aether").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = keyring.sign(&PageClaims {
        tenant: acme.clone(),
        agent: agent.clone(),
        person: Some(PersonId::new("ada").unwrap()),
        scopes: Scopes::PAGE,
        first_issued_at: now,
        expires_at: now + 3600,
    });

    // What the first socket costs once is not a socket's.
    let mut first = Listeners::start(url, &token, 1).await;
    first.leave().await;
    let before = resident_kib();
    println!("{:<44} {:>8} {:>12}", "", "RSS KiB", "KiB a socket");
    row("before", before, None);

    let began = Instant::now();
    let mut listeners = Listeners::start(url, &token, count).await;
    let opened = began.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = resident_kib();
    row(&format!("{count} idle sockets (opened in {opened:.1?})"), idle, Some((before, count)));

    let event = ClientEvent { people: vec!["ada".to_owned()], ..ClientEvent::default() };
    let kitchen = subject::room_events(&acme, &RoomName::new("kitchen").unwrap());
    let began = Instant::now();
    bus.publish(&Context::new(acme, agent), &kitchen, &event).await.unwrap();
    listeners.expect("heard").await;
    let took = began.elapsed();
    row(&format!("after an event to all (all heard in {took:.1?})"), resident_kib(), Some((before, count)));

    tokio::time::sleep(Duration::from_secs(25)).await;
    row("after a ping to all", resident_kib(), Some((before, count)));
    listeners.leave().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    row("after all have left", resident_kib(), None);
    let growth = idle.saturating_sub(before);
    println!("\n{count} idle sockets: {:.1} MB (target: 50 MB for 1,000)", growth as f64 * 1024.0 / 1e6);
}

fn row(what: &str, resident: u64, since: Option<(u64, usize)>) {
    let each = since.map(|(before, count)| format!("{:.1}", resident.saturating_sub(before) as f64 / count as f64));
    println!("{what:<44} {resident:>8} {:>12}", each.unwrap_or_default());
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Those who listen, in a process of their own.
struct Listeners {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Listeners {
    async fn start(url: &str, token: &str, count: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["listen", url, token, &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut listeners = Self { child, says };
        listeners.expect("open").await;
        listeners
    }

    async fn expect(&mut self, word: &str) {
        let said = tokio::time::timeout(Duration::from_secs(60), self.says.next_line()).await.unwrap().unwrap();
        assert_eq!(said.as_deref(), Some(word));
    }

    async fn leave(&mut self) {
        self.child.stdin.take().unwrap().shutdown().await.unwrap();
        self.child.wait().await.unwrap();
    }
}

/// Opens the sockets, answers pings, and says when all have heard something; ends when its input does.
async fn listen(url: &str, token: &str, count: usize) {
    let open = |_| async move {
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        connect_async(request).await.unwrap().0
    };
    let sockets: Vec<_> = stream::iter(0..count).map(open).buffer_unordered(50).collect().await;
    println!("open");
    let (heard, mut events) = tokio::sync::mpsc::channel(count);
    for mut socket in sockets {
        let heard = heard.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    heard.send(()).await.unwrap();
                }
            }
        });
    }
    let all_heard = async {
        for _ in 0..count {
            events.recv().await.unwrap();
        }
        println!("heard");
        future::pending::<()>().await;
    };
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    tokio::select! {
        () = all_heard => {}
        _ = input.next_line() => {}
    }
}
