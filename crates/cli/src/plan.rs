use std::{collections::BTreeMap, net::SocketAddr};

use aether_models::ModelStore;
use aether_settings::{Row, Source};
use aether_store::{Login, REDIS_OWNER, redis_services, redis_users};
use aether_supervisor::{Component, Error as PartError, Layout, Port, Probe, Secrets, part};

/// Ports of the parts that `aether up` starts; the settings' defaults name the same.
const NATS: u16 = 4222;
const REDIS: u16 = 6379;
const POSTGRES: u16 = 5432;
const LIVEKIT: u16 = 7880;
const LIVEKIT_TCP: u16 = 7881;
const LIVEKIT_UDP: u16 = 7882;
const LLM: u16 = 11435;
/// The gateway's, where the settings do not say.
const GATEWAY: u16 = 8000;
/// Where Ollama listens when nobody says otherwise.
const OLLAMA: &str = "http://127.0.0.1:11434";

/// What is started where nobody names one of their own: the part, the setting and the variable that would, and its ports.
pub const PARTS: [(&str, &str, &str, &[Port]); 5] = [
    ("postgres", "postgres.url", "POSTGRES_URL", &[Port::Tcp(POSTGRES)]),
    ("redis", "redis.url", "REDIS_URL", &[Port::Tcp(REDIS)]),
    ("nats", "nats.url", "NATS_URL", &[Port::Tcp(NATS)]),
    ("livekit", "livekit.url", "LIVEKIT_URL", &[Port::Tcp(LIVEKIT), Port::Tcp(LIVEKIT_TCP), Port::Udp(LIVEKIT_UDP)]),
    ("llm", "llm.endpoint", "LLM_ENDPOINT", &[Port::Tcp(LLM)]),
];

/// Aether's services and their programs, which lie beside this one.
pub const SERVICES: [(&str, &str); 6] = [
    ("brain", "aether-brain"),
    ("tts", "aether-tts"),
    ("agent", "aether-agent"),
    ("scheduler", "aether-scheduler"),
    ("notifier", "aether-notifier"),
    ("gateway", "aether-gateway"),
];
/// Agent processes beyond the first; as many as one machine could have use for.
pub const MORE_AGENTS: [&str; 7] = ["agent-2", "agent-3", "agent-4", "agent-5", "agent-6", "agent-7", "agent-8"];

/// Whether a part of this name is one of Aether's own.
pub fn is_service(name: &str) -> bool {
    SERVICES.iter().any(|(service, _)| *service == name) || MORE_AGENTS.contains(&name)
}

/// What is to be started, what is there already, and what the services must be told.
#[derive(Debug)]
pub struct Plan {
    pub start: Vec<Component>,
    pub used: Vec<Used>,
    /// For all services.
    pub environment: BTreeMap<String, String>,
    /// For one service each: what it alone may know, and how it proves who it is.
    own: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// For the owner's own commands only.
    owner: BTreeMap<String, String>,
    /// Things a person should know.
    pub notes: Vec<String>,
}

/// A part that the settings name: it is used, never started or stopped.
#[derive(Debug, Clone)]
pub struct Used {
    pub name: &'static str,
    /// Without password.
    pub url: String,
    /// Who says so: the name of the variable or of the key in `aether.toml`.
    pub named_by: String,
    pub probe: Probe,
}

impl Plan {
    /// A part whose URL is written in the environment or in `aether.toml` is used; each other one is started here.
    /// Creating the database takes a second the first time: call it off the runtime's threads.
    pub fn make(
        layout: &Layout,
        rows: &[Row],
        exposed: impl Fn(&str) -> Option<String>,
        secrets: &Secrets,
    ) -> Result<Self, PartError> {
        let mut plan = Self {
            start: Vec::new(),
            used: Vec::new(),
            environment: BTreeMap::new(),
            own: BTreeMap::new(),
            owner: BTreeMap::new(),
            notes: Vec::new(),
        };
        plan.tell("AETHER_HOME", layout.home().display().to_string());
        if let Ok(espeak) = layout.program("espeak-ng", "set AETHER_ESPEAK to its path") {
            plan.tell("AETHER_ESPEAK", espeak.display().to_string());
        }

        let gateway_port = plan.gateway(rows, secrets);

        let owner = written(rows, "postgres.owner_url");
        if let Some(row) = written(rows, "postgres.url").or(owner) {
            plan.uses("postgres", row, &exposed, Probe::Postgres);
            if owner.is_some() {
                plan.log_in_to_postgres(&exposed(row.name).unwrap_or_default(), secrets);
            }
        } else {
            let postgres = part::Postgres {
                port: POSTGRES,
                state: layout.state("postgres"),
                password: secrets.postgres_password.clone(),
                durable: true,
                log: layout.log("postgres"),
            };
            let component = postgres.component(layout)?;
            plan.log_in_to_postgres(&component.url, secrets);
            plan.tell_owner("POSTGRES_OWNER_URL", component.url.clone());
            plan.start.push(component);
        }

        if let Some(row) = written(rows, "redis.url") {
            plan.uses("redis", row, &exposed, Probe::Redis);
        } else {
            let users = part::Users {
                config: redis_users(|user| secrets.of_service(user).to_owned()),
                owner: (REDIS_OWNER.to_owned(), secrets.of_service(REDIS_OWNER).to_owned()),
            };
            let (state, log) = (layout.state("redis"), layout.log("redis"));
            plan.start.push(part::Redis { port: REDIS, state, users: Some(users), log }.component(layout)?);
            plan.log_in_to_redis(secrets);
        }

        if let Some(row) = written(rows, "nats.url") {
            plan.uses("nats", row, &exposed, Probe::Nats);
        } else {
            let users = part::Users {
                config: aether_bus::authorization(|user| format!("\"{}\"", secrets.of_service(user))),
                owner: (aether_bus::OWNER.to_owned(), secrets.of_service(aether_bus::OWNER).to_owned()),
            };
            let (state, log) = (layout.state("nats"), layout.log("nats"));
            plan.starts("NATS_URL", part::Nats { port: NATS, state, users: Some(users), log }.component(layout)?);
            plan.log_in_to_nats(secrets);
        }

        if let Some(row) = written(rows, "livekit.url") {
            // Its HTTP side is on the same port under the other scheme.
            plan.uses("livekit", row, &exposed, |url| Probe::Http(url.replacen("ws", "http", 1)));
        } else {
            let livekit = part::LiveKit {
                port: LIVEKIT,
                rtc_tcp_port: LIVEKIT_TCP,
                rtc_udp_port: LIVEKIT_UDP,
                webhook: Some(format!("http://127.0.0.1:{gateway_port}/livekit/webhook")),
                config: layout.run("livekit.yaml"),
                log: layout.log("livekit"),
            };
            plan.tell("LIVEKIT_API_KEY", secrets.livekit_api_key.clone());
            plan.tell("LIVEKIT_API_SECRET", secrets.livekit_api_secret.clone());
            plan.starts("LIVEKIT_URL", livekit.component(layout, secrets)?);
        }

        let ollama = value(rows, "llm.dialect").as_deref() == Some("ollama");
        match written(rows, "llm.endpoint") {
            Some(row) => {
                let path = if ollama { "api/version" } else { "models" };
                plan.uses("llm", row, &exposed, |url| Probe::Http(format!("{}/{path}", url.trim_end_matches('/'))));
            }
            None if ollama => {
                let named_by = rows.iter().find(|row| row.name == "llm.dialect").map_or_else(String::new, said_by);
                let probe = Probe::Http(format!("{OLLAMA}/api/version"));
                plan.used.push(Used { name: "llm", url: OLLAMA.to_owned(), named_by, probe });
            }
            None => plan.start_llm(layout, rows)?,
        }
        Ok(plan)
    }

    /// All that this service is told; holds secrets.
    pub fn environment_of(&self, service: &str) -> BTreeMap<String, String> {
        let mut environment = self.environment.clone();
        environment.extend(self.own.get(service).cloned().unwrap_or_default());
        environment
    }

    /// All that the owner's commands are told; holds secrets.
    pub fn environment_of_owner(&self) -> BTreeMap<String, String> {
        let mut environment = self.environment.clone();
        environment.extend(self.owner.clone());
        environment
    }

    /// What the other commands need to find the gateway and to be let in; returns its port.
    fn gateway(&mut self, rows: &[Row], secrets: &Secrets) -> u16 {
        let bind = value(rows, "gateway.bind").unwrap_or_default();
        let port = bind.parse().map_or(GATEWAY, |bind: SocketAddr| bind.port());
        if written(rows, "gateway.identity_secret").is_none() {
            self.tell("AETHER_IDENTITY_SECRET", secrets.identity_secret.clone());
        }
        if written(rows, "notifier.secret").is_none() {
            self.tell("AETHER_NOTIFIER_SECRET", secrets.notifier_secret.clone());
        }
        self.tell("AETHER_GATEWAY_BIND", bind);
        let public = match written(rows, "gateway.public_url") {
            Some(row) => row.value.clone().unwrap_or_default(),
            None => format!("http://localhost:{port}"),
        };
        self.tell("AETHER_PUBLIC_URL", public);
        port
    }

    /// Each service as itself; the owner's commands, such as `aether doctor`, look as the gateway does.
    fn log_in_to_postgres(&mut self, database: &str, secrets: &Secrets) {
        for login in Login::ALL {
            let url = login.url(database, secrets.of_service(login.service())).unwrap_or_default();
            if login == Login::Gateway {
                self.tell_owner("POSTGRES_URL", url.clone());
            }
            self.tell_service(login.service(), "POSTGRES_URL", url);
        }
    }

    fn log_in_to_redis(&mut self, secrets: &Secrets) {
        let url = |user| format!("redis://{user}:{}@127.0.0.1:{REDIS}", secrets.of_service(user));
        for service in redis_services() {
            self.tell_service(service, "REDIS_URL", url(service));
        }
        self.tell_owner("REDIS_URL", url(REDIS_OWNER));
    }

    fn log_in_to_nats(&mut self, secrets: &Secrets) {
        for (service, _) in SERVICES {
            self.tell_service(service, "NATS_USER", service.to_owned());
            self.tell_service(service, "NATS_PASSWORD", secrets.of_service(service).to_owned());
        }
        self.tell_owner("NATS_USER", aether_bus::OWNER.to_owned());
        self.tell_owner("NATS_PASSWORD", secrets.of_service(aether_bus::OWNER).to_owned());
    }

    fn start_llm(&mut self, layout: &Layout, rows: &[Row]) -> Result<(), PartError> {
        let wanted = value(rows, "llm.model").unwrap_or_default();
        let store = ModelStore::new(layout.models());
        let chosen = store.present_or_fallback(&wanted).map_or_else(|| wanted.clone(), |model| model.id.clone());
        if chosen != wanted {
            self.notes.push(format!(
                "{wanted} is not installed, so the smaller {chosen} answers; `aether models get {wanted}` fetches it"
            ));
        }
        let llm = part::Llm::new(LLM, layout.model(&chosen, "model.gguf"), &chosen, layout.log("llm"));
        let component = llm.component(layout)?;
        self.tell("LLM_ENDPOINT", format!("{}/v1", component.url));
        self.tell("LLM_DIALECT", "openai".to_owned());
        self.tell("LLM_MODEL", chosen);
        self.start.push(component);
        Ok(())
    }

    fn starts(&mut self, variable: &str, component: Component) {
        self.tell(variable, component.url.clone());
        self.start.push(component);
    }

    fn uses(
        &mut self,
        name: &'static str,
        row: &Row,
        exposed: &impl Fn(&str) -> Option<String>,
        probe: impl FnOnce(String) -> Probe,
    ) {
        let url = row.value.clone().unwrap_or_default();
        let whole = exposed(row.name).unwrap_or_else(|| url.clone());
        self.used.push(Used { name, probe: probe(whole), url, named_by: said_by(row) });
    }

    fn tell(&mut self, name: &str, value: String) {
        self.environment.insert(name.to_owned(), value);
    }

    fn tell_owner(&mut self, name: &str, value: String) {
        self.owner.insert(name.to_owned(), value);
    }

    fn tell_service(&mut self, service: &'static str, name: &str, value: String) {
        self.own.entry(service).or_default().insert(name.to_owned(), value);
    }
}

fn value(rows: &[Row], key: &str) -> Option<String> {
    rows.iter().find(|row| row.name == key).and_then(|row| row.value.clone())
}

fn written<'a>(rows: &'a [Row], key: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == key && row.source != Source::Default)
}

fn said_by(row: &Row) -> String {
    match row.source {
        Source::Environment => row.env.to_owned(),
        Source::File => format!("{} in aether.toml", row.name),
        Source::Default => "the default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use aether_settings::{Loader, describe};

    use super::*;

    /// A plan for a state folder of its own that shares the installed parts and models.
    fn plan(environment: &[(&str, &str)], toml: Option<&str>) -> Plan {
        plan_in(&tempfile::tempdir().unwrap(), environment, toml)
    }

    fn plan_in(dir: &tempfile::TempDir, environment: &[(&str, &str)], toml: Option<&str>) -> Plan {
        let installed = Layout::find().unwrap();
        let layout = Layout::new(dir.path());
        symlink(installed.parts(), layout.parts()).unwrap();
        symlink(installed.models(), layout.models()).unwrap();
        layout.create().unwrap();
        let variable =
            |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let (rows, _) = describe(Loader::new(variable, toml));
        let exposed = |key: &str| rows.iter().find(|row| row.name == key).and_then(|row| variable(row.env));
        Plan::make(&layout, &rows, exposed, &Secrets::random()).unwrap()
    }

    fn started(plan: &Plan) -> Vec<&str> {
        plan.start.iter().map(Component::name).collect()
    }

    #[test]
    fn without_settings_everything_is_started_and_the_services_are_told_where() {
        let plan = plan(&[], None);
        assert_eq!(started(&plan), ["postgres", "redis", "nats", "livekit", "llm"]);
        assert!(plan.used.is_empty());
        for name in [
            "POSTGRES_URL",
            "POSTGRES_OWNER_URL",
            "REDIS_URL",
            "NATS_URL",
            "LIVEKIT_API_SECRET",
            "LLM_ENDPOINT",
            "AETHER_IDENTITY_SECRET",
        ] {
            assert!(plan.environment_of_owner().contains_key(name), "{name}");
        }
        assert_eq!(plan.environment["AETHER_PUBLIC_URL"], "http://localhost:8000");
        for service in ["gateway", "brain", "scheduler", "notifier"] {
            let url = &plan.environment_of(service)["POSTGRES_URL"];
            assert!(url.starts_with(&format!("postgres://aether_{service}:")), "{url}");
        }
        for service in ["gateway", "agent", "notifier"] {
            let url = &plan.environment_of(service)["REDIS_URL"];
            assert!(url.starts_with(&format!("redis://{service}:")), "{url}");
        }
        let tts = plan.environment_of("tts");
        assert!(!tts.contains_key("POSTGRES_URL") && !tts.contains_key("REDIS_URL"));
    }

    #[test]
    fn a_part_that_the_settings_name_is_used_and_not_started() {
        let environment = [("NATS_URL", "nats://bus.example:4222"), ("LLM_ENDPOINT", "http://model.example/v1")];
        let plan = plan(&environment, Some("[redis]\nurl = \"redis://:hunter2@cache.example\"\n"));
        assert_eq!(started(&plan), ["postgres", "livekit"]);
        let used: Vec<_> = plan.used.iter().map(|used| (used.name, used.named_by.as_str())).collect();
        assert_eq!(used, [("redis", "redis.url in aether.toml"), ("nats", "NATS_URL"), ("llm", "LLM_ENDPOINT")]);
        assert!(plan.used.iter().all(|used| !used.url.contains("hunter2")));
        // The services read these themselves.
        assert!(!plan.environment.contains_key("NATS_URL"));
    }

    #[test]
    fn in_a_database_of_ones_own_services_are_themselves_where_its_owner_is_known() {
        let login = ("POSTGRES_URL", "postgres://somebody@db.example/aether");
        assert!(!plan(&[login], None).environment_of("brain").contains_key("POSTGRES_URL"));
        let owner = ("POSTGRES_OWNER_URL", "postgres://owner:hunter2@db.example/aether?sslmode=require");
        for environment in [vec![owner], vec![login, owner]] {
            let plan = plan(&environment, None);
            assert!(!started(&plan).contains(&"postgres"));
            let url = &plan.environment_of("brain")["POSTGRES_URL"];
            assert!(url.starts_with("postgres://aether_brain:") && url.contains("@db.example/aether"), "{url}");
            assert!(!url.contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn a_gateway_elsewhere_is_told_to_everybody_who_must_find_it() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan_in(&dir, &[("AETHER_GATEWAY_BIND", "0.0.0.0:9000")], None);
        assert_eq!(plan.environment["AETHER_GATEWAY_BIND"], "0.0.0.0:9000");
        assert_eq!(plan.environment["AETHER_PUBLIC_URL"], "http://localhost:9000");
        let livekit = plan.start.iter().find(|component| component.name() == "livekit").unwrap();
        let config = livekit.launch.arguments.last().unwrap();
        let config = std::fs::read_to_string(config).unwrap();
        assert!(config.contains("urls: [\"http://127.0.0.1:9000/livekit/webhook\"]"), "{config}");
    }

    #[test]
    fn a_secret_that_the_settings_name_is_not_replaced() {
        let secret = "a secret that somebody chose for themselves";
        let plan = plan(&[("AETHER_IDENTITY_SECRET", secret)], None);
        assert!(!plan.environment.contains_key("AETHER_IDENTITY_SECRET"));
    }

    #[test]
    fn ollama_is_used_where_the_dialect_asks_for_it() {
        let plan = plan(&[("LLM_DIALECT", "ollama")], None);
        assert_eq!(plan.used[0].url, OLLAMA);
        assert!(!started(&plan).contains(&"llm"));
    }
}
