use crate::{Invalid, Loader, ServerUrl, Setting, Shown};

pub(crate) const SETTINGS: &[&Setting] = &[&URL];

const URL: Setting = Setting {
    key: "redis.url",
    env: &["REDIS_URL"],
    default: Some("redis://127.0.0.1:6379"),
    shown: Shown::Url,
    about: "Redis or Valkey server",
};

/// How to reach Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    pub url: ServerUrl,
}

impl RedisSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        Ok(Self { url: loader.required(&URL, |text| ServerUrl::parse(text, &["redis", "rediss"]))? })
    }
}
