use crate::{Invalid, Loader, Secret, ServerUrl, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&URL, &USER, &PASSWORD];

const URL: Setting = Setting {
    key: "nats.url",
    env: &["NATS_URL"],
    default: Some("nats://127.0.0.1:4222"),
    shown: Shown::Url,
    about: "NATS server",
};
const USER: Setting = Setting {
    key: "nats.user",
    env: &["NATS_USER"],
    default: None,
    shown: Shown::All,
    about: "user at the NATS server",
};
const PASSWORD: Setting = Setting {
    key: "nats.password",
    env: &["NATS_PASSWORD"],
    default: None,
    shown: Shown::Nothing,
    about: "password at the NATS server",
};

/// How to reach NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsSettings {
    pub url: ServerUrl,
    pub user: Option<String>,
    pub password: Option<Secret>,
}

impl NatsSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let url = loader.required(&URL, |text| ServerUrl::parse(text, &["nats", "tls", "ws", "wss"]));
        let user = loader.optional(&USER, value::text);
        let password = loader.optional(&PASSWORD, |text| value::secret(text, 1));
        Ok(Self { url: url?, user: user?, password: password? })
    }
}
