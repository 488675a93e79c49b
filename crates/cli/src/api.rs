//! The gateway's HTTP interface as the commands use it: where it is, how this process is let in, and what a person is told
//! when it says no.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aether_identity::{Keyring, PageClaims, Scopes};
use aether_proto::{AgentId, PersonId, TenantId};
use aether_settings::{HttpSettings, IdentitySettings};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

use crate::Context;

/// Who speaks where nobody says.
pub const OWNER: &str = "owner";
/// Where a gateway that listens everywhere is reached from its own machine.
const LOOPBACK: [u8; 4] = [127, 0, 0, 1];
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A token of our own is made anew for every request.
const TOKEN_LASTS: Duration = Duration::from_secs(300);
/// How long the link to the page opens it.
pub const LINK_LASTS: Duration = Duration::from_secs(12 * 3600);

/// Why a request to the gateway came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nothing answers at {url}: start it with `aether up`{elsewhere}", elsewhere = elsewhere(*.here))]
    Unreachable { url: String, here: bool },
    #[error(
        "Aether does not run from this folder: start it with `aether up`; for one that runs elsewhere, set AETHER_PUBLIC_URL \
         and AETHER_API_KEY"
    )]
    NotHere,
    #[error(
        "no key: set AETHER_API_KEY to one (`aether up` shows the first, `aether key create` makes others), or run this \
         where `aether up` runs"
    )]
    NoKey,
    #[error("AETHER_API_KEY is not accepted at {url}: {message}")]
    KeyRefused { url: String, message: String },
    #[error("{message} ({status})")]
    Refused { status: StatusCode, message: String },
    #[error("the connection to the gateway broke")]
    Broken(#[source] reqwest::Error),
    #[error("the gateway answered with something that this version does not understand: {0}")]
    Unexpected(String),
    #[error("{0:?} is no name: one has at least one character, and is neither \".\" nor \"..\"")]
    Name(String),
}

impl Error {
    /// Whether the gateway said that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::NOT_FOUND, .. })
    }
}

fn elsewhere(here: bool) -> &'static str {
    if here { "" } else { ", or set AETHER_PUBLIC_URL to where it runs" }
}

/// The gateway, and this process's way in.
#[derive(Debug, Clone)]
pub struct Api {
    base: Url,
    /// Whether it is the one that `aether up` runs from this state folder.
    here: bool,
    client: Client,
    door: Door,
}

#[derive(Clone)]
enum Door {
    /// A key, or a page token that was made with one.
    Bearer(String),
    /// Who has the secret in its environment makes its own tokens.
    Keyring { keyring: Keyring, tenant: TenantId, agent: AgentId, person: Option<PersonId> },
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer",
            Self::Keyring { .. } => "Keyring",
        })
    }
}

/// What the gateway knows about whoever asks.
#[derive(Debug, Clone, Deserialize)]
pub struct Me {
    pub agent: String,
    pub person: Option<String>,
    pub name: Option<String>,
}

/// A list as the gateway sends it.
#[derive(Debug, Deserialize)]
pub struct List<T> {
    pub data: Vec<T>,
    #[serde(default)]
    pub has_more: bool,
}

#[derive(Deserialize)]
struct PageToken {
    token: String,
}

impl Api {
    /// The gateway that `aether up` runs from here, else the one at `AETHER_PUBLIC_URL`; with `AETHER_API_KEY` where it is
    /// set, else with a token made here.
    pub fn open(context: &Context) -> Result<Self, crate::Error> {
        let key = context.own("AETHER_API_KEY").filter(|key| !key.trim().is_empty());
        let here = context.is_up() && context.own("AETHER_PUBLIC_URL").is_none();
        let base = if here { local(context)? } else { public_url(context)? };
        Self::at(context, base, here, key)
    }

    /// The gateway on this machine, as whoever started it. A key of another day is no reason to be kept out of it.
    pub fn of_this_machine(context: &Context) -> Result<Self, crate::Error> {
        Self::at(context, local(context)?, true, None)
    }

    fn at(context: &Context, base: Url, here: bool, key: Option<String>) -> Result<Self, crate::Error> {
        let door = match key {
            Some(key) => Door::Bearer(key.trim().to_owned()),
            None => {
                let Some(secret) = context.variable("AETHER_IDENTITY_SECRET") else {
                    // Without either, most people forgot the first.
                    let elsewhere = context.is_up() || context.own("AETHER_PUBLIC_URL").is_some();
                    return Err(if elsewhere { Error::NoKey } else { Error::NotHere }.into());
                };
                let IdentitySettings { tenant, agent, .. } = context.settings(IdentitySettings::read)?;
                Door::Keyring { keyring: Keyring::new(&secret), tenant, agent, person: None }
            }
        };
        let client = Client::builder().connect_timeout(CONNECT_WITHIN);
        // A proxy for the world has no business between two programs of one machine.
        let client = if here { client.no_proxy() } else { client };
        let client = client.build().map_err(|error| crate::Error::Input(error.to_string()))?;
        Ok(Self { base, here, client, door })
    }

    /// The same, as this person.
    pub async fn speaking_as(mut self, person: &PersonId) -> Result<Self, Error> {
        match &mut self.door {
            Door::Keyring { person: who, .. } => *who = Some(person.clone()),
            Door::Bearer(_) => self.door = Door::Bearer(self.page_token(Some(person)).await?),
        }
        Ok(self)
    }

    /// Whether a key opens the door, whose person is then the one who speaks.
    pub fn has_key(&self) -> bool {
        matches!(self.door, Door::Bearer(_))
    }

    /// A token that opens the page for a person; without one, for the key's own.
    pub async fn page_token(&self, person: Option<&PersonId>) -> Result<String, Error> {
        if let Door::Keyring { keyring, tenant, agent, .. } = &self.door {
            return Ok(sign(keyring, tenant, agent, person, Scopes::PAGE, LINK_LASTS));
        }
        let body = person.map_or_else(|| json!({}), |person| json!({ "person": person.as_str() }));
        let made: PageToken = self.post(&["v1", "page-tokens"], &body).await?;
        Ok(made.token)
    }

    /// What goes behind `Bearer`, good for at least so long.
    pub fn bearer(&self, lasts: Duration) -> String {
        match &self.door {
            Door::Bearer(text) => text.clone(),
            Door::Keyring { keyring, tenant, agent, person } => {
                sign(keyring, tenant, agent, person.as_ref(), Scopes::ALL, lasts)
            }
        }
    }

    /// The address of a path, whose segments may hold anything.
    pub fn url(&self, segments: &[&str]) -> Result<Url, Error> {
        // A parser takes these for steps in the tree, however they are written.
        if let Some(segment) = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
            return Err(Error::Name((*segment).to_owned()));
        }
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| Error::Name(self.base.to_string()))?.pop_if_empty().extend(segments);
        Ok(url)
    }

    pub fn request(&self, method: Method, segments: &[&str]) -> Result<RequestBuilder, Error> {
        Ok(self.client.request(method, self.url(segments)?).bearer_auth(self.bearer(TOKEN_LASTS)))
    }

    /// Sends a request; an answer other than success is an error with the gateway's own words.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|error| {
            if error.is_connect() || error.is_timeout() { self.unreachable() } else { Error::Broken(error) }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(self.refused(status, &response.text().await.unwrap_or_default()))
    }

    pub fn unreachable(&self) -> Error {
        Error::Unreachable { url: self.base.to_string(), here: self.here }
    }

    /// What an answer other than success means.
    pub fn refused(&self, status: StatusCode, body: &str) -> Error {
        let message = message(body, status);
        match (status, &self.door) {
            (StatusCode::UNAUTHORIZED, Door::Bearer(_)) => Error::KeyRefused { url: self.base.to_string(), message },
            _ => Error::Refused { status, message },
        }
    }

    pub async fn get<T: DeserializeOwned>(&self, segments: &[&str], query: &[(&str, String)]) -> Result<T, Error> {
        read(self.send(self.request(Method::GET, segments)?.query(query)).await?).await
    }

    pub async fn post<T: DeserializeOwned>(&self, segments: &[&str], body: &Value) -> Result<T, Error> {
        read(self.send(self.request(Method::POST, segments)?.json(body)).await?).await
    }

    pub async fn delete(&self, segments: &[&str]) -> Result<(), Error> {
        self.send(self.request(Method::DELETE, segments)?).await.map(drop)
    }

    pub async fn me(&self) -> Result<Me, Error> {
        self.get(&["v1", "me"], &[]).await
    }
}

/// Who this machine's own people are: `--person`, else `AETHER_USER_ID`, else the owner.
pub fn person(context: &Context, named: Option<&str>) -> Result<PersonId, crate::Error> {
    if let Some(named) = named {
        return PersonId::new(named).map_err(|error| crate::Error::Input(format!("--person: {error}")));
    }
    match context.settings(IdentitySettings::read)?.user_id {
        Some(person) => Ok(person),
        None => PersonId::new(OWNER).map_err(|error| crate::Error::Input(error.to_string())),
    }
}

/// Where people reach the page, without the slash at the end.
pub fn page_address(context: &Context) -> Result<String, crate::Error> {
    Ok(public_url(context)?.as_str().trim_end_matches('/').to_owned())
}

/// Where the gateway is on this machine.
fn local(context: &Context) -> Result<Url, crate::Error> {
    let mut bind = context.settings(HttpSettings::gateway)?.bind;
    if bind.ip().is_unspecified() {
        bind.set_ip(LOOPBACK.into());
    }
    Url::parse(&format!("http://{bind}")).map_err(|error| crate::Error::Input(error.to_string()))
}

/// Read by itself, without the rest of the gateway's settings: whoever has a key needs none of its secrets.
fn public_url(context: &Context) -> Result<Url, crate::Error> {
    const KEY: &str = "gateway.public_url";
    let (rows, problems) = context.describe()?;
    let row = rows.iter().find(|row| row.name == KEY);
    let url = row.and_then(|row| Url::parse(row.value.as_deref()?).ok()).filter(|url| url.has_host());
    url.ok_or_else(|| {
        let problem = problems.iter().map(ToString::to_string).find(|text| text.contains("AETHER_PUBLIC_URL"));
        crate::Error::Input(problem.unwrap_or_else(|| "AETHER_PUBLIC_URL is no address".to_owned()))
    })
}

fn sign(
    keyring: &Keyring,
    tenant: &TenantId,
    agent: &AgentId,
    person: Option<&PersonId>,
    scopes: Scopes,
    lasts: Duration,
) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    keyring.sign(&PageClaims {
        tenant: tenant.clone(),
        agent: agent.clone(),
        person: person.cloned(),
        scopes,
        first_issued_at: now,
        expires_at: now + lasts.as_secs(),
    })
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Error> {
    let body = response.bytes().await.map_err(Error::Broken)?;
    serde_json::from_slice(&body).map_err(|error| Error::Unexpected(error.to_string()))
}

/// The sentence inside an error object, or what there is instead.
fn message(body: &str, status: StatusCode) -> String {
    #[derive(Deserialize)]
    struct Body {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        message: String,
    }
    match serde_json::from_str::<Body>(body) {
        Ok(body) => body.error.message,
        Err(_) => status.canonical_reason().unwrap_or("the gateway refused").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(base: &str) -> Api {
        Api {
            base: Url::parse(base).unwrap(),
            here: true,
            client: Client::new(),
            door: Door::Bearer("aether_key".to_owned()),
        }
    }

    #[test]
    fn a_path_holds_any_room_name() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = api("http://127.0.0.1:8000").url(&["v1", "rooms", "a/b c.🦊", "control"]).unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:8000/v1/rooms/a%2Fb%20c.%F0%9F%A6%8A/control");
        let url = api("https://example.org/aether/").url(&["v1", "me"]).unwrap();
        assert_eq!(url.as_str(), "https://example.org/aether/v1/me");
        assert!(matches!(api("http://h").url(&["v1", "rooms", "..", "control"]), Err(Error::Name(_))));
    }

    #[test]
    fn the_gateways_own_sentence_is_told() {
        let body = r#"{"error":{"message":"no such room","type":"invalid_request_error","param":null,"code":null}}"#;
        assert_eq!(message(body, StatusCode::NOT_FOUND), "no such room");
        assert_eq!(message("<html>", StatusCode::BAD_GATEWAY), "Bad Gateway");
    }

    #[test]
    fn a_key_is_not_shown() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert!(!format!("{:?}", api("http://h")).contains("aether_key"));
    }
}
