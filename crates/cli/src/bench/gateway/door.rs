use aether_identity::{Keyring, PageClaims, Scopes};
use aether_proto::{AgentId, PersonId, TenantId};
use reqwest::Client;
use serde_json::{Value, json};

use crate::{Error, bench::stand::TENANT};

pub(in crate::bench) fn admin(secret: &str) -> Result<String, Error> {
    let wrong = |error: aether_proto::IdError| Error::Input(error.to_string());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(Keyring::new(secret).sign(&PageClaims {
        tenant: TenantId::new(TENANT).map_err(wrong)?,
        agent: AgentId::new("aether").map_err(wrong)?,
        person: None::<PersonId>,
        scopes: Scopes::ALL,
        first_issued_at: now,
        expires_at: now + 300,
    }))
}

pub(in crate::bench) struct Door<'a> {
    pub(in crate::bench) client: &'a Client,
    pub(in crate::bench) gateway: &'a str,
    pub(in crate::bench) admin: String,
}

impl Door<'_> {
    /// A key as a program would have.
    pub(in crate::bench) async fn key(&self, person: Option<&str>) -> Result<String, Error> {
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
