//! All that the gateway needs, started on free ports in a folder that is gone afterwards.

use std::{collections::BTreeMap, fs, net::SocketAddr, os::unix::fs::symlink, path::PathBuf, time::Duration};

use aether_identity::{Keyring, PageClaims, Scopes};
use aether_proto::{AgentId, PersonId, TenantId};
use aether_store::Store;
use aether_supervisor::{Component, Layout, Secrets, Stack, free_port, part};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::Error;

const READY_WITHIN: Duration = Duration::from_secs(90);

/// A state folder that lasts as long as the measurement and shares the installed parts and models.
pub(super) struct Home {
    pub(super) layout: Layout,
}

impl Home {
    pub(super) fn make(installed: &Layout) -> Result<Self, Error> {
        let folder = installed.run(&format!("bench-{}", std::process::id()));
        let layout = Layout::new(&folder);
        for name in ["state", "logs", "run"] {
            fs::create_dir_all(folder.join(name)).map_err(Error::io(folder.display().to_string()))?;
        }
        for (from, to) in [(installed.parts(), layout.parts()), (installed.models(), layout.models())] {
            symlink(from, &to).map_err(Error::io(to.display().to_string()))?;
        }
        Ok(Self { layout })
    }

    pub(super) fn keep_logs(&self, installed: &Layout) -> std::io::Result<PathBuf> {
        let kept = installed.home().join("logs/bench");
        let _ = fs::remove_dir_all(&kept);
        fs::rename(self.layout.home().join("logs"), &kept)?;
        Ok(kept)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.layout.home());
    }
}

/// Starts all that the gateway needs on free ports; returns where it answers.
pub(super) async fn start(
    layout: &Layout,
    stack: &mut Stack,
    model: &str,
    identity_secret: &str,
) -> Result<String, Error> {
    let port = || free_port().map_err(Error::io("no port is free"));
    let mut secrets = Secrets::random();
    identity_secret.clone_into(&mut secrets.identity_secret);
    let postgres = part::Postgres {
        port: port()?,
        state: layout.state("postgres"),
        password: secrets.postgres_password.clone(),
        durable: false,
        log: layout.log("postgres"),
    };
    let postgres = {
        let layout = layout.clone();
        let made = tokio::task::spawn_blocking(move || postgres.component(&layout)).await;
        made.map_err(|error| Error::Input(error.to_string()))??
    };
    let redis =
        part::Redis { port: port()?, state: layout.state("redis"), log: layout.log("redis") }.component(layout)?;
    let nats = part::Nats { port: port()?, state: layout.state("nats"), log: layout.log("nats") }.component(layout)?;
    let livekit = part::LiveKit {
        port: port()?,
        rtc_tcp_port: port()?,
        rtc_udp_port: aether_supervisor::free_udp_port().map_err(Error::io("no port is free"))?,
        webhook: None,
        config: layout.run("livekit.yaml"),
        log: layout.log("livekit"),
    };
    let livekit = livekit.component(layout, &secrets)?;
    let password = &secrets.postgres_service_password;
    let (_, place) = postgres.url.rsplit_once('@').unwrap_or_default();
    let environment = BTreeMap::from([
        ("AETHER_HOME", layout.home().display().to_string()),
        ("POSTGRES_URL", format!("postgres://aether_service:{password}@{place}")),
        ("REDIS_URL", redis.url.clone()),
        ("NATS_URL", nats.url.clone()),
        ("LIVEKIT_URL", livekit.url.clone()),
        ("LIVEKIT_API_KEY", secrets.livekit_api_key.clone()),
        ("LIVEKIT_API_SECRET", secrets.livekit_api_secret.clone()),
        ("LLM_ENDPOINT", model.to_owned()),
        ("LLM_DIALECT", "openai".to_owned()),
        ("LLM_MODEL", "scripted".to_owned()),
        ("AETHER_IDENTITY_SECRET", secrets.identity_secret.clone()),
        ("AETHER_TENANT", "default".to_owned()),
        ("AETHER_AGENT", "aether".to_owned()),
    ]);
    let owner = postgres.url.clone();
    stack.start(vec![postgres, redis, nats, livekit], |_, _| {}).await?;
    Store::migrate(&owner, password).await?;
    let services = [
        service(layout, "brain", "aether-brain", port()?, &environment)?,
        service(layout, "gateway", "aether-gateway", port()?, &environment)?,
    ];
    let gateway = services[1].url.clone();
    let urls: Vec<_> = services.iter().map(|service| service.url.clone()).collect();
    stack.start(services.into(), |_, _| {}).await?;
    let client = Client::builder().no_proxy().build().map_err(|error| Error::Input(error.to_string()))?;
    for url in urls {
        ready(&client, &url).await?;
    }
    Ok(gateway)
}

fn service(
    layout: &Layout,
    name: &'static str,
    file: &'static str,
    port: u16,
    environment: &BTreeMap<&str, String>,
) -> Result<Component, Error> {
    let program = std::env::current_exe().map_err(Error::io("this program's own path can't be found"))?;
    let program = program.with_file_name(file);
    if !program.is_file() {
        return Err(Error::NoProgram { name: file });
    }
    let mut environment: Vec<_> = environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let bind = SocketAddr::from(([127, 0, 0, 1], port)).to_string();
    environment.push((format!("AETHER_{}_BIND", name.to_uppercase()), bind));
    Ok(part::Service { name, program, port, environment, log: layout.log(name) }.component())
}

async fn ready(client: &Client, url: &str) -> Result<(), Error> {
    let asking = async {
        loop {
            let asked = client.get(format!("{url}/readyz")).timeout(Duration::from_secs(2)).send().await;
            if asked.is_ok_and(|reply| reply.status().is_success()) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let patient = timeout(READY_WITHIN, asking).await;
    patient.map_err(|_| {
        Error::Input(format!("what was started at {url} was not ready within {} s", READY_WITHIN.as_secs()))
    })
}

pub(super) fn admin(secret: &str) -> Result<String, Error> {
    let wrong = |error: aether_proto::IdError| Error::Input(error.to_string());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(Keyring::new(secret).sign(&PageClaims {
        tenant: TenantId::new("default").map_err(wrong)?,
        agent: AgentId::new("aether").map_err(wrong)?,
        person: None::<PersonId>,
        scopes: Scopes::ALL,
        first_issued_at: now,
        expires_at: now + 300,
    }))
}

pub(super) struct Door<'a> {
    pub(super) client: &'a Client,
    pub(super) gateway: &'a str,
    pub(super) admin: String,
}

impl Door<'_> {
    /// A key as a program would have.
    pub(super) async fn key(&self, person: Option<&str>) -> Result<String, Error> {
        let mut body = json!({ "name": "benchmark", "scopes": "chat" });
        if let Some(person) = person {
            body["person"] = json!(person);
        }
        let request = self.client.post(format!("{}/v1/keys", self.gateway)).bearer_auth(&self.admin).json(&body);
        let made: Value = async { request.send().await?.error_for_status()?.json().await }
            .await
            .map_err(|error: reqwest::Error| Error::Input(format!("no key could be made: {error}")))?;
        made["key"].as_str().map(str::to_owned).ok_or_else(|| Error::Input("a key without its text".to_owned()))
    }
}
