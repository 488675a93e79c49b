use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aether_settings::{HttpSettings, LlmSettings, NatsSettings, PostgresSettings, RedisSettings};
use aether_store::{Login, Store};
use aether_supervisor::{Component, Probe, Secrets, Stack, State, free_port, part};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::{
    Context, Error,
    plan::{MORE_AGENTS, Plan, SERVICES, Used, is_service},
    running::{Claim, Running, RunningPart},
    status, talk,
    welcome::Welcome,
};

/// A part that is not ours may need this long to answer; the services wait for it longer by themselves.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Loading the models takes most of it.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// Start everything and keep it up until Ctrl-C.
///
/// Starts Postgres, Redis, NATS, LiveKit and a language model server, then Aether's own services; restarts what ends by
/// itself; and stops exactly what it started. A part whose URL is set (NATS_URL, REDIS_URL, POSTGRES_URL, LIVEKIT_URL,
/// LLM_ENDPOINT, or the same in aether.toml) is used, not started.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aether up\n  aether up --agents 2                                 two agent processes share the rooms\n  \
    aether up --check                                    start, ask one question by voice, stop\n  \
    LLM_DIALECT=ollama LLM_MODEL=llama3.2:3b aether up   use the Ollama that runs here\n  \
    NATS_URL=nats://127.0.0.1:4222 aether up             use the NATS server that runs here"
)]
pub struct Arguments {
    /// When everything is up, speak a recorded question into a room, wait for the spoken answer, print both with the times
    /// of every stage, stop everything and exit with 0 if it worked
    #[arg(long)]
    check: bool,
    /// How many agent processes share the rooms
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    agents: u8,
    /// Print one JSON object per line instead of text: what became ready, what ended, where everything is
    #[arg(long)]
    json: bool,
}

pub async fn run(context: Context, arguments: Arguments) -> Result<(), Error> {
    let stop = aether_telemetry::shutdown_signal();
    let claim = Claim::take(context.layout())?;
    let mut up = Up {
        context: context.with(BTreeMap::new()),
        say: Say { json: arguments.json },
        stack: Stack::new(),
        used: Vec::new(),
        started_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
    };
    let outcome = tokio::select! {
        outcome = up.work(&arguments) => outcome,
        () = stop => Ok(()),
    };
    up.say.line("stopping", &json!({ "event": "stopping" }));
    up.stack.stop().await;
    up.say.line("everything that was started here is stopped", &json!({ "event": "stopped" }));
    drop(claim);
    outcome
}

struct Up {
    context: Context,
    say: Say,
    stack: Stack,
    used: Vec<Used>,
    /// Seconds since 1970.
    started_at: u64,
}

impl Up {
    async fn work(&mut self, arguments: &Arguments) -> Result<(), Error> {
        let begun = Instant::now();
        let secrets = Secrets::load_or_create(self.context.layout())?;
        let plan = self.plan(secrets.clone()).await?;
        for note in &plan.notes {
            self.say.line(note, &json!({ "event": "note", "text": note }));
        }
        let environment = plan.environment_of_owner();
        self.context = self.context.with(environment.clone());
        self.used.clone_from(&plan.used);
        self.check_settings()?;
        let services = self.services(&plan, arguments.agents)?;

        for used in &self.used {
            let answers = match timeout(ANSWER_WITHIN, used.probe.check()).await {
                Ok(Ok(())) => "answers".to_owned(),
                Ok(Err(why)) => format!("{why}; the services wait for it"),
                Err(_) => "does not answer yet; the services wait for it".to_owned(),
            };
            let text = format!("{:10} {} (set by {}): {answers}", used.name, used.url, used.named_by);
            self.say.line(&text, &json!({ "event": "used", "part": used.name, "url": used.url, "detail": answers }));
        }
        self.start(plan.start).await?;
        self.migrate(&secrets).await?;
        self.start(services).await?;
        self.note_down(&environment)?;
        self.await_services().await;
        self.summary(begun.elapsed()).await;
        if arguments.check {
            return talk::check(&self.context, self.say.json).await;
        }
        self.watch().await
    }

    async fn plan(&self, secrets: Secrets) -> Result<Plan, Error> {
        let (rows, _) = self.context.describe()?;
        let context = self.context.clone();
        let making = tokio::task::spawn_blocking(move || {
            Plan::make(context.layout(), &rows, |key| exposed(&context, key), &secrets)
        });
        match making.await {
            Ok(plan) => Ok(plan?),
            Err(error) => Err(Error::Input(format!("the start broke off: {error}"))),
        }
    }

    /// Everything that is wrong is said before anything is started.
    fn check_settings(&self) -> Result<(), Error> {
        let (_, problems) = self.context.describe()?;
        for problem in &problems {
            eprintln!("aether: {problem}");
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Told) }
    }

    fn services(&self, plan: &Plan, agents: u8) -> Result<Vec<Component>, Error> {
        let binds = self.context.settings(|loader| {
            let (brain, tts) = (HttpSettings::brain(loader), HttpSettings::tts(loader));
            let (agent, gateway) = (HttpSettings::agent(loader), HttpSettings::gateway(loader));
            let (scheduler, notifier) = (HttpSettings::scheduler(loader), HttpSettings::notifier(loader));
            Ok([
                ("brain", brain?.bind),
                ("tts", tts?.bind),
                ("agent", agent?.bind),
                ("scheduler", scheduler?.bind),
                ("notifier", notifier?.bind),
                ("gateway", gateway?.bind),
            ])
        })?;
        let mut services = Vec::new();
        for (name, file) in SERVICES {
            let Some((_, bind)) = binds.iter().find(|(service, _)| *service == name) else {
                return Err(Error::NoProgram { name: file });
            };
            let environment = plan.environment_of(name);
            services.push(self.service(name, file, *bind, &environment)?);
            if name == "agent" {
                for name in MORE_AGENTS.into_iter().take(usize::from(agents - 1)) {
                    let port = free_port().map_err(Error::io("no port is free for another agent"))?;
                    let bind = SocketAddr::from((bind.ip(), port));
                    let mut environment = environment.clone();
                    environment.insert("AETHER_AGENT_BIND".to_owned(), bind.to_string());
                    services.push(self.service(name, file, bind, &environment)?);
                }
            }
        }
        Ok(services)
    }

    fn service(
        &self,
        name: &'static str,
        file: &'static str,
        bind: SocketAddr,
        environment: &BTreeMap<String, String>,
    ) -> Result<Component, Error> {
        let program = std::env::current_exe().map_err(Error::io("this program's own path can't be found"))?;
        let program = program.with_file_name(file);
        if !program.is_file() {
            return Err(Error::NoProgram { name: file });
        }
        let environment = environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let log = self.context.layout().log(name);
        let mut component = part::Service { name, program, port: bind.port(), environment, log }.component();
        if !bind.ip().is_unspecified() && !bind.ip().is_loopback() {
            component.url = format!("http://{bind}");
            component.probe = Probe::Http(format!("{}/livez", component.url));
        }
        if name == "gateway" {
            "set AETHER_GATEWAY_BIND=127.0.0.1:PORT to use another port".clone_into(&mut component.instead);
        }
        Ok(component)
    }

    async fn start(&mut self, stage: Vec<Component>) -> Result<(), Error> {
        let say = self.say;
        let outcome = self.stack.start(stage, |component, after| {
            let url = without_password(&component.url);
            let text = format!("{:10} {url:44} after {:.1} s", component.name(), after.as_secs_f64());
            let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            say.line(
                &text,
                &json!({ "event": "started", "part": component.name(), "url": url, "after_ms": milliseconds }),
            );
        });
        Ok(outcome.await?)
    }

    /// Brings the schema up to date when the owner's URL is known: always for our own Postgres, otherwise when
    /// POSTGRES_OWNER_URL is set.
    async fn migrate(&self, secrets: &Secrets) -> Result<(), Error> {
        let postgres = self.context.settings(PostgresSettings::read)?;
        let Some(owner) = &postgres.owner_url else { return Ok(()) };
        let password = |login: Login| secrets.of_service(login.service()).to_owned();
        Ok(Store::migrate(owner.expose(), password).await?)
    }

    /// A service that waits for something is up but not ready: it is told, not waited for for ever.
    async fn await_services(&self) {
        let deadline = Instant::now() + READY_WITHIN;
        for (name, url) in self.service_urls() {
            loop {
                let (ready, says) = status::readiness(&url).await;
                if ready || Instant::now() >= deadline {
                    let text = format!("{name:10} {says}");
                    self.say.line(&text, &json!({ "event": "service", "part": name, "ready": ready, "detail": says }));
                    break;
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    fn service_urls(&self) -> Vec<(String, String)> {
        let components = self.stack.parts().iter().map(|part| part.component());
        components
            .filter(|part| is_service(part.name()))
            .map(|part| (part.name().to_owned(), part.url.clone()))
            .collect()
    }

    fn note_down(&self, environment: &BTreeMap<String, String>) -> Result<(), Error> {
        Running::write_environment(self.context.layout(), environment)?;
        self.running().write(self.context.layout())
    }

    fn running(&self) -> Running {
        let started = self.stack.parts().iter().zip(self.stack.reports()).map(|(part, report)| RunningPart {
            service: is_service(&report.name),
            url: without_password(&part.component().url),
            started: true,
            report,
        });
        let used = self.used.iter().map(|used| RunningPart {
            report: aether_supervisor::PartReport {
                name: used.name.to_owned(),
                state: "used".into(),
                pid: None,
                detail: None,
            },
            url: used.url.clone(),
            started: false,
            service: false,
        });
        Running { pid: std::process::id(), started_at: self.started_at, parts: used.chain(started).collect() }
    }

    async fn summary(&self, took: Duration) {
        let welcome = Welcome::prepare(&self.context).await;
        let livekit = self.context.variable("LIVEKIT_URL").unwrap_or_default();
        let logs = self.context.layout().home().join("logs");
        if self.say.json {
            let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let mut event = json!({ "event": "up", "livekit_url": livekit, "after_ms": milliseconds, "logs": logs });
            welcome.add_to(&mut event);
            self.say.line("", &event);
            return;
        }
        println!("\nAether is up after {:.1} s.\n\n{welcome}", took.as_secs_f64());
        println!("Logs are in {}. Ctrl-C stops everything that was started here.\n", logs.display());
    }

    /// Tells what ends and what comes back, for as long as nobody stops it.
    async fn watch(&self) -> Result<(), Error> {
        let mut states: Vec<_> =
            self.stack.parts().iter().map(|part| (part.component().name().to_owned(), part.watch())).collect();
        for (_, state) in &mut states {
            // That it started was told already.
            state.mark_unchanged();
        }
        loop {
            let changes = states.iter_mut().map(|(name, state)| {
                Box::pin(async move {
                    let alive = state.changed().await.is_ok();
                    (name.clone(), alive.then(|| state.borrow_and_update().clone()))
                })
            });
            let ((name, state), ..) = futures::future::select_all(changes).await;
            let text = match state {
                Some(State::Restarting { why }) => format!("{name} ended by itself ({why}) and is started again"),
                Some(State::Ready { pid }) => format!("{name} is back (pid {pid})"),
                Some(State::Starting { .. }) => continue,
                Some(State::Failed(error)) => error.to_string(),
                Some(State::Stopped) | None => return Ok(()),
            };
            self.say.line(&text, &json!({ "event": "changed", "part": name, "text": text }));
            self.running().write(self.context.layout())?;
        }
    }
}

/// Text for a person, or one JSON object per line for a program.
#[derive(Debug, Clone, Copy)]
struct Say {
    json: bool,
}

impl Say {
    fn line(self, text: &str, event: &serde_json::Value) {
        if self.json { println!("{event}") } else { println!("{text}") }
    }
}

/// The whole URL behind a setting, password included.
fn exposed(context: &Context, key: &str) -> Option<String> {
    let url = match key {
        "nats.url" => context.settings(NatsSettings::read).ok()?.url,
        "redis.url" => context.settings(RedisSettings::read).ok()?.url,
        "postgres.url" => context.settings(PostgresSettings::read).ok()?.url,
        "postgres.owner_url" => context.settings(PostgresSettings::read).ok()?.owner_url?,
        "llm.endpoint" => context.settings(LlmSettings::read).ok()?.endpoint,
        _ => return None,
    };
    Some(url.expose().to_owned())
}

fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut url) if url.password().is_some() => {
            let _ = url.set_password(Some("***"));
            url.to_string()
        }
        _ => url.to_owned(),
    }
}
