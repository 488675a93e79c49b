//! Some of Aether's services and all that they need, started on free ports in a folder that is gone afterwards.

use std::{collections::BTreeMap, fs, net::SocketAddr, os::unix::fs::symlink, path::PathBuf, time::Duration};

use aether_store::{Login, Store};
use aether_supervisor::{Component, Layout, Secrets, Stack, free_port, part};
use reqwest::Client;
use tokio::time::{sleep, timeout};

use crate::Error;

pub(super) const TENANT: &str = "default";
const READY_WITHIN: Duration = Duration::from_secs(90);

/// Starts what is measured and measures it; in the end everything is stopped, and where it failed the logs are kept.
pub(super) async fn run<T>(
    installed: &Layout,
    measure: impl AsyncFnOnce(&Layout, &mut Stack) -> Result<T, Error>,
) -> Result<T, Error> {
    let stop = aether_telemetry::shutdown_signal();
    let home = Home::make(installed)?;
    let mut stack = Stack::new();
    let outcome = tokio::select! {
        outcome = measure(&home.layout, &mut stack) => outcome,
        () = stop => Err(Error::Told),
    };
    stack.stop().await;
    if let (Err(_), Ok(kept)) = (&outcome, home.keep_logs(installed)) {
        eprintln!("the logs of what was started are in {}", kept.display());
    }
    outcome
}

/// The processes that a stack has started.
pub(super) fn parts(stack: &Stack) -> impl Iterator<Item = (String, u32)> {
    stack.reports().into_iter().filter_map(|part| Some((part.name, part.pid?)))
}

/// A state folder that lasts as long as the measurement and shares the installed parts and models.
struct Home {
    layout: Layout,
}

impl Home {
    fn make(installed: &Layout) -> Result<Self, Error> {
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

    fn keep_logs(&self, installed: &Layout) -> std::io::Result<PathBuf> {
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

/// One of Aether's services, and what it is told beside where everything is.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    pub(super) environment: Vec<(&'static str, String)>,
}

/// Where what was started answers.
pub(super) struct Stand {
    pub(super) secrets: Secrets,
    pub(super) nats: String,
    /// As each service logs in.
    postgres: [(Login, String); 4],
    pub(super) livekit: String,
    /// In the order of the programs.
    pub(super) services: Vec<String>,
}

/// Starts the servers, and these programs with this language model. `durable`: what the database commits is on the disk.
pub(super) async fn start(
    layout: &Layout,
    stack: &mut Stack,
    model: &str,
    programs: &[Program],
    durable: bool,
) -> Result<Stand, Error> {
    let port = || free_port().map_err(Error::io("no port is free"));
    let secrets = Secrets::random();
    let postgres = part::Postgres {
        port: port()?,
        state: layout.state("postgres"),
        password: secrets.postgres_password.clone(),
        durable,
        log: layout.log("postgres"),
    };
    let postgres = {
        let layout = layout.clone();
        let made = tokio::task::spawn_blocking(move || postgres.component(&layout)).await;
        made.map_err(|error| Error::Input(error.to_string()))??
    };
    let redis = part::Redis { port: port()?, state: layout.state("redis"), users: None, log: layout.log("redis") }
        .component(layout)?;
    let nats = part::Nats { port: port()?, state: layout.state("nats"), users: None, log: layout.log("nats") }
        .component(layout)?;
    let livekit = part::LiveKit {
        port: port()?,
        rtc_tcp_port: port()?,
        rtc_udp_port: aether_supervisor::free_udp_port().map_err(Error::io("no port is free"))?,
        webhook: None,
        config: layout.run("livekit.yaml"),
        log: layout.log("livekit"),
    };
    let livekit = livekit.component(layout, &secrets)?;
    let password = |login: Login| secrets.of_service(login.service()).to_owned();
    let logins = Login::ALL.map(|login| (login, login.url(&postgres.url, &password(login)).unwrap_or_default()));
    let environment = BTreeMap::from([
        ("AETHER_HOME", layout.home().display().to_string()),
        ("REDIS_URL", redis.url.clone()),
        ("NATS_URL", nats.url.clone()),
        ("LIVEKIT_URL", livekit.url.clone()),
        ("LIVEKIT_API_KEY", secrets.livekit_api_key.clone()),
        ("LIVEKIT_API_SECRET", secrets.livekit_api_secret.clone()),
        ("LLM_ENDPOINT", model.to_owned()),
        ("LLM_DIALECT", "openai".to_owned()),
        ("LLM_MODEL", "scripted".to_owned()),
        ("AETHER_IDENTITY_SECRET", secrets.identity_secret.clone()),
        ("AETHER_NOTIFIER_SECRET", secrets.notifier_secret.clone()),
        ("AETHER_TENANT", TENANT.to_owned()),
        ("AETHER_AGENT", "aether".to_owned()),
    ]);
    let owner = postgres.url.clone();
    let (nats_url, livekit_url) = (nats.url.clone(), livekit.url.clone());
    stack.start(vec![postgres, redis, nats, livekit], |_, _| {}).await?;
    Store::migrate(&owner, password).await?;
    let services = programs.iter().map(|program| {
        let login = logins.iter().find(|(login, _)| login.service() == program.name);
        let own = login.map(|(_, url)| ("POSTGRES_URL", url.clone()));
        let environment = environment.clone().into_iter().chain(own).collect();
        service(layout, program, port()?, &environment)
    });
    let services = services.collect::<Result<Vec<_>, _>>()?;
    let urls: Vec<_> = services.iter().map(|service| service.url.clone()).collect();
    stack.start(services, |_, _| {}).await?;
    Ok(Stand { secrets, postgres: logins, nats: nats_url, livekit: livekit_url, services: urls })
}

impl Stand {
    /// The database, as this service reaches it.
    pub(super) fn store(&self, login: Login) -> Result<Store, Error> {
        let url = self.postgres.iter().find(|(known, _)| *known == login).map_or("", |(_, url)| url);
        Store::connect(&aether_store::Options::new(url)).map_err(|error| Error::Input(error.to_string()))
    }

    /// Waits until every service is ready.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        let client = Client::builder().no_proxy().build().map_err(|error| Error::Input(error.to_string()))?;
        for url in &self.services {
            ready(&client, url).await?;
        }
        Ok(())
    }
}

fn service(
    layout: &Layout,
    program: &Program,
    port: u16,
    environment: &BTreeMap<&str, String>,
) -> Result<Component, Error> {
    let Program { name, file, environment: own } = program;
    let path = std::env::current_exe().map_err(Error::io("this program's own path can't be found"))?;
    let path = path.with_file_name(file);
    if !path.is_file() {
        return Err(Error::NoProgram { name: file });
    }
    let bind = SocketAddr::from(([127, 0, 0, 1], port)).to_string();
    let mut all = vec![(format!("AETHER_{}_BIND", name.to_uppercase()), bind)];
    let given = environment.iter().map(|(name, value)| (*name, value));
    let own = own.iter().map(|(name, value)| (*name, value));
    all.extend(given.chain(own).map(|(name, value)| (name.to_owned(), value.clone())));
    Ok(part::Service { name, program: path, port, environment: all, log: layout.log(name) }.component())
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
