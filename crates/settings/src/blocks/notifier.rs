use crate::{Invalid, Loader, Secret, Setting, Shown, value};

/// Shorter ones could be guessed.
const SHORTEST_SECRET: usize = 32;

pub(crate) const SETTINGS: &[&Setting] = &[&SECRET, &CONTACT, &SMTP, &SMTP_FROM];

const SECRET: Setting = Setting {
    key: "notifier.secret",
    env: &["AETHER_NOTIFIER_SECRET"],
    default: None,
    shown: Shown::Nothing,
    about: "what the keys of web push and of outgoing webhooks are made with; changing it ends all subscriptions",
};
const CONTACT: Setting = Setting {
    key: "notifier.contact",
    env: &["AETHER_NOTIFIER_CONTACT"],
    default: Some("mailto:aether@localhost"),
    shown: Shown::All,
    about: "whom a push service can ask about our messages: a mailto: or https: address",
};
const SMTP: Setting = Setting {
    key: "notifier.smtp_url",
    env: &["SMTP_URL"],
    default: None,
    shown: Shown::Url,
    about: "mail server for notifications: smtps://USER:PASSWORD@HOST:465, or smtp://HOST:25; unset: no e-mail is sent",
};
const SMTP_FROM: Setting = Setting {
    key: "notifier.smtp_from",
    env: &["SMTP_FROM"],
    default: Some("Aether <aether@localhost>"),
    shown: Shown::All,
    about: "sender of e-mail",
};

/// How people are told who are neither in a room nor at the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifierSettings {
    pub secret: Secret,
    pub contact: String,
    /// Unset: no e-mail is sent.
    pub smtp_url: Option<Secret>,
    pub smtp_from: String,
}

impl NotifierSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let secret = loader.required(&SECRET, |text| value::secret(text, SHORTEST_SECRET));
        let contact = loader.required(&CONTACT, |text| match text {
            _ if text.starts_with("mailto:") || text.starts_with("https://") => Ok(text.to_owned()),
            _ => Err("an address that begins with mailto: or https://".to_owned()),
        });
        let smtp_url = loader.optional(&SMTP, |text| match text {
            _ if text.starts_with("smtp://") || text.starts_with("smtps://") => Ok(Secret::new(text)),
            _ => Err("an address that begins with smtp:// or smtps://".to_owned()),
        });
        let smtp_from = loader.required(&SMTP_FROM, |text| Ok(text.to_owned()));
        Ok(Self { secret: secret?, contact: contact?, smtp_url: smtp_url?, smtp_from: smtp_from? })
    }
}
