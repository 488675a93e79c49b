//! What a person is told once everything is up: the link to the page, where programs go, and, the first time, their key.

use std::fmt;

use aether_identity::Scopes;
use aether_proto::PersonId;
use aether_settings::HomeSettings;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Context, Error,
    api::{self, Api, List},
};

pub struct Welcome {
    page: Result<String, Error>,
    /// Where the stock clients of OpenAI are pointed to.
    api: String,
    /// The first key, which nobody can show again.
    key: Option<Result<String, Error>>,
    page_is_built: bool,
}

#[derive(Deserialize)]
struct AnyKey {}

#[derive(Deserialize)]
struct NewKey {
    key: String,
}

impl Welcome {
    pub async fn prepare(context: &Context) -> Self {
        let page_is_built = match context.variable("AETHER_WEB") {
            Some(folder) => std::path::Path::new(&folder).join("index.html").is_file(),
            None => context.settings(HomeSettings::read).is_ok_and(|home| home.web().join("index.html").is_file()),
        };
        Self {
            page: link(context).await,
            api: api::page_address(context).map_or_else(|_| String::new(), |address| format!("{address}/v1")),
            key: first_key(context).await.transpose(),
            page_is_built,
        }
    }

    pub fn add_to(&self, event: &mut Value) {
        event["api"] = json!(self.api);
        match &self.page {
            Ok(link) => event["page"] = json!(link),
            Err(error) => event["page_error"] = json!(error.told()),
        }
        match &self.key {
            Some(Ok(key)) => event["key"] = json!(key),
            Some(Err(error)) => event["key_error"] = json!(error.told()),
            None => {}
        }
    }
}

impl fmt::Display for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.page {
            Ok(link) => {
                writeln!(
                    f,
                    "Talk in a browser on this machine; the link is good for 12 hours, `aether page` prints another:"
                )?;
                writeln!(f, "    {link}")?;
            }
            Err(error) => writeln!(f, "There is no link to the page: {}", error.told().unwrap_or_default())?,
        }
        if !self.page_is_built {
            writeln!(f, "    The page itself is not built yet: scripts/setup does it.")?;
        }
        writeln!(f, "Point an OpenAI client at:\n    {}", self.api)?;
        match &self.key {
            Some(Ok(key)) => writeln!(f, "with this key, which is shown only now:\n    {key}")?,
            Some(Err(error)) => {
                writeln!(
                    f,
                    "No first key was made ({}); `aether key create` does it.",
                    error.told().unwrap_or_default()
                )?;
            }
            None => writeln!(f, "with a key; `aether key create` makes one.")?,
        }
        writeln!(f, "Or stay here:")?;
        writeln!(f, "    aether chat                     write with it")?;
        writeln!(f, "    aether talk --wav question.wav  ask by voice, from a file")?;
        writeln!(f, "    aether --help                   everything else")
    }
}

/// The page, opened for this machine's own person.
async fn link(context: &Context) -> Result<String, Error> {
    let person = api::person(context, None)?;
    link_for(context, &Api::of_this_machine(context)?, Some(&person)).await
}

pub async fn link_for(context: &Context, api: &Api, person: Option<&PersonId>) -> Result<String, Error> {
    let token = api.page_token(person).await?;
    Ok(format!("{}/#token={token}", api::page_address(context)?))
}

/// Makes the first key if there was never one.
async fn first_key(context: &Context) -> Result<Option<String>, Error> {
    let api = Api::of_this_machine(context)?;
    let keys: List<AnyKey> = api.get(&["v1", "keys"], &[]).await?;
    if !keys.data.is_empty() {
        return Ok(None);
    }
    let person = api::person(context, None)?;
    let body = json!({ "name": "first key", "person": person.as_str(), "scopes": Scopes::ALL });
    let made: NewKey = api.post(&["v1", "keys"], &body).await?;
    Ok(Some(made.key))
}
