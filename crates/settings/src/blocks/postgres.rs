use crate::{Invalid, Loader, ServerUrl, Setting, Shown};

pub(crate) const SETTINGS: &[&Setting] = &[&URL, &OWNER_URL];

const URL: Setting = Setting {
    key: "postgres.url",
    env: &["POSTGRES_URL"],
    default: Some("postgres://127.0.0.1:5432/aether"),
    shown: Shown::Url,
    about: "Postgres database, as the service's own role: aether_brain, aether_gateway, …",
};
const OWNER_URL: Setting = Setting {
    key: "postgres.owner_url",
    env: &["POSTGRES_OWNER_URL"],
    default: None,
    shown: Shown::Url,
    about: "the same database as the role that owns the tables; needed only where migrations are to run",
};

/// How to reach Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresSettings {
    pub url: ServerUrl,
    /// Unset where somebody else migrates.
    pub owner_url: Option<ServerUrl>,
}

impl PostgresSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let parse = |text: &str| ServerUrl::parse(text, &["postgres", "postgresql"]);
        let url = loader.required(&URL, parse);
        let owner_url = loader.optional(&OWNER_URL, parse);
        Ok(Self { url: url?, owner_url: owner_url? })
    }
}
